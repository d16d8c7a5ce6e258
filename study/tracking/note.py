"""The description that MLflow shows of a study's experiment: links to its report, once there is one, and its tables.

The table on which MLflow's page opens has columns of MLflow's own choice; no tag of an experiment changes that. The
description stands above it, in one line: of more the page shows the first, until it is asked for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice

from study.tracking.links import CLASSICAL

NOTE_TAG = "mlflow.note.content"  # of an experiment or a run: Markdown
REPORT, TABLES, BETWEEN, MORE = "[Report of the study](", "Tables: ", " · ", ", and more under Views"
LISTED = 8  # tables: of an experiment's tag MLflow keeps 5,000 characters

_OURS = re.compile(
    r"(Study of \d+ famil(?:y|ies) on (?:[^\[\]\n.]|\.(?=\d))+\.)?"
    rf"(?:(?:^|{BETWEEN})({re.escape(REPORT)}[^)]*\)))?"
    rf"(?:(?:^|{BETWEEN})({TABLES}(?:(?:{BETWEEN})?\[[^]]*\]\(#[^)]*\))+(?:{MORE})?))?"
)


def in_a_sentence(families: Iterable[str], tasks: Iterable[str]) -> str:
    """`Study of 11 families on 2 tasks.`, which the list of experiments shows, links or no links."""
    num_families, names = len(set(families)), sorted(set(tasks))
    where = names[0] if len(names) == 1 else f"{len(names)} tasks"
    return f"Study of {num_families} famil{'y' if num_families == 1 else 'ies'} on {where}."


def with_tables(note: str, experiment_id: str, titles: Mapping[str, str], said: str) -> str:
    """A description that begins with what is `said`, with links to the views of these names and titles.

    A user's own stays as it is.
    """
    page = f"#/experiments/{experiment_id}/runs?{CLASSICAL}&viewStateShareKey="
    links = BETWEEN.join(f"[{title}]({page}{name})" for name, title in islice(titles.items(), LISTED))
    more = MORE if len(titles) > LISTED else ""
    found = _OURS.fullmatch(note)
    return _in_a_line(said, found[2], f"{TABLES}{links}{more}") if found else note


def with_report(note: str, address: str) -> str:
    """A description with a link to the report; a user's own as it is."""
    found = _OURS.fullmatch(note)
    return _in_a_line(found[1], f"{REPORT}{address})", found[3]) if found else note


def _in_a_line(*parts: str | None) -> str:
    return BETWEEN.join(filter(None, parts))
