"""Where MLflow shows what ran: a run for each cell, and one for each trial of its best config."""

from __future__ import annotations

import csv
import io

from study.records.ledger import CONFIRM
from study.report.document import Entry, Link, Paragraph, Section, Table
from study.report.gather import Material
from study.report.words import NOTHING
from study.results.selection import CellResult
from study.tracking.links import RunLinks
from trainables.trial import SEARCH

SHOWN = 8  # letters of a run's id


def section(material: Material) -> Section | None:
    """None where no run of the study is known of."""
    links = material.links
    if links is None:
        return None
    cells = (*material.searched, *material.confirmed)
    columns = ("phase", "family", "task", "run")
    best = [(cell, trial) for cell in cells if cell.best for trial in cell.best.trials]
    return Section(
        "Runs in MLflow",
        (
            Paragraph(_text(material.name, links)),
            Table(
                "runs-of-cells",
                "A run for each family on each task, with its trials as children",
                "llll",
                columns,
                tuple((*_cell(cell), _run(links, cell.key)) for cell in cells),
                folded=True,
            ),
            Table(
                "runs-of-best",
                "Trials of the best configs",
                "lllrl",
                (*columns[:3], "repeat", "run"),
                tuple((*_cell(cell), str(trial.repeat), _run(links, trial.key)) for cell, trial in best),
                "tables/runs.csv beside this page lists the runs of all trials.",
                folded=True,
            ),
        ),
    )


def runs_csv(material: Material) -> str | None:
    """Every cell and trial with its run; None where no run of the study is known of."""
    links = material.links
    if links is None:
        return None
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("phase", "family", "task", "config", "repeat", "state", "trial_key", "run_id", "address"))
    for cell in (*material.searched, *material.confirmed):
        if run_id := links.runs.get(cell.key):
            rows.writerow((*_cell(cell), "", "", "", "", run_id, links.address_of(run_id)))
        for config in cell.configs:
            for trial in material.by_config.get(config.key, []):
                if run_id := links.runs.get(trial.key):
                    known = (config.number, trial.repeat, trial.state, trial.key)
                    rows.writerow((*_cell(cell), *known, run_id, links.address_of(run_id)))
    return text.getvalue()


def _text(name: str, links: RunLinks) -> str:
    if links.served:
        return f"Every trial is a run at {links.table}; the links open it there."
    return (
        "Every trial is a run in MLflow. The links open it on the machine where it was tracked, while "
        f"'study dashboard --study {name}' runs there, and nowhere else; it prints the address of the best configs."
    )


def _cell(cell: CellResult) -> tuple[str, str, str]:
    phase = CONFIRM if cell.facts.get("phase") == CONFIRM else SEARCH
    return phase, cell.facts["label"], cell.facts["task"]


def _run(links: RunLinks, key: str) -> Entry:
    run_id = links.runs.get(key)
    return Link(run_id[:SHOWN], links.address_of(run_id)) if run_id else NOTHING
