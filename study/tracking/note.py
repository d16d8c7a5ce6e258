"""The description that MLflow shows of a study's experiment: links to its tables, and to its report once there is one.

The table on which MLflow's page opens has columns of MLflow's own choice; no tag of an experiment changes that.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from study.tracking.links import CLASSICAL

NOTE_TAG = "mlflow.note.content"  # of an experiment or a run: Markdown
TABLES, REPORT = "Tables: ", "[Report of the study]("
LISTED = 8  # tables: of an experiment's tag MLflow keeps 5,000 characters


def with_tables(note: str, experiment_id: str, titles: Mapping[str, str]) -> str:
    """A description with links to the views of these names and titles; a user's own as it is."""
    if not is_ours(note):
        return note
    page = f"#/experiments/{experiment_id}/runs?{CLASSICAL}&viewStateShareKey="
    links = " · ".join(f"[{title}]({page}{name})" for name, title in islice(titles.items(), LISTED))
    more = ", and more under Views" if len(titles) > LISTED else ""
    return "\n\n".join([f"{TABLES}{links}{more}", *_lines(note, REPORT)])


def with_report(note: str, address: str) -> str:
    """A description with a link to the report; a user's own as it is."""
    return "\n\n".join([*_lines(note, TABLES), report_link(address)]) if is_ours(note) else note


def report_link(address: str) -> str:
    """What leads to the report."""
    return f"{REPORT}{address})"


def is_ours(note: str) -> bool:
    """Whether a description is empty, or holds nothing but our links."""
    return all(line.startswith((TABLES, REPORT)) for line in note.splitlines() if line)


def _lines(note: str, kind: str) -> list[str]:
    return [line for line in note.splitlines() if line.startswith(kind)]
