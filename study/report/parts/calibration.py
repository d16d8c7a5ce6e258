"""How far confidence is from accuracy, before and after temperature scaling."""

from __future__ import annotations

from study.ledger import CONFIRM
from study.report.document import Entry, Paragraph, Section, Table, slug
from study.report.gather import Material, by_task
from study.report.words import NOTHING, common_n, repeats_words, score_text, with_n
from study.results import CellResult

COLUMNS = {"ECE": "ece", "ECE, scaled": "ece_scaled", "temperature": "temperature", "NLL": "loss", "Brier": "brier"}


def section(material: Material) -> Section | None:
    """A table for each task; None where no calibration error was reported."""
    confirmed = material.comparison.phase == CONFIRM
    tables = [
        table
        for task, cells in by_task(material.judged).items()
        if (table := _table(material, task, cells, "test_{}" if confirmed else "val_{}_clean")) is not None
    ]
    if not tables:
        return None
    text = (
        f"Of each family's best config, on {'test' if confirmed else 'validation'} images against their true labels. "
        "ECE: the expected gap between confidence and accuracy, in 15 bins (Guo et al., 2017); 'scaled' is after one "
        "temperature for the whole network, cross-fitted. Above 1 the temperature says that the network is too sure. "
        "Losses that tame or smooth change confidence by design, so compare the scaled column too. Bins are not kept, "
        "so there is no reliability diagram."
    )
    return Section("Calibration", (Paragraph(text), *tables))


def _table(material: Material, task: str, cells: list[CellResult], pattern: str) -> Table | None:
    shown = [cell for cell in cells if cell.best]
    values = {
        (cell.key, name): material.values(cell, pattern.format(metric))
        for cell in shown
        for name, metric in COLUMNS.items()
    }
    if not any(values[cell.key, "ECE"] for cell in shown):
        return None
    common = common_n(len(found) for found in values.values())
    rows: list[tuple[Entry, ...]] = []
    for cell in shown:
        found = [values[cell.key, name] for name in COLUMNS]
        rows.append((cell.facts["label"], *(with_n(score_text(v), len(v), common) if v else NOTHING for v in found)))
    return Table(
        f"calibration-{slug(task)}",
        f"Calibration: {task}",
        "l" + "r" * len(COLUMNS),
        ("family", *COLUMNS),
        tuple(rows),
        repeats_words(common),
    )
