"""Trials that failed or diverged, and why; and what trials warned of."""

from __future__ import annotations

from study.records import states
from study.records.ledger import CONFIRM
from study.report.document import Block, Entry, Paragraph, Section, Table
from study.report.gather import Material
from study.report.words import NOTHING, settings

MOST = 50  # that are listed


def section(material: Material) -> Section | None:
    """A table of trials without a score and one of warnings; None where there is neither."""
    lost, warned = _lost(material), _warned(material)
    if not lost and not warned:
        return None
    titles = [*(["Failed and diverged trials"] if lost else []), *(["Warnings"] if warned else [])]
    return Section(", ".join(titles), (*lost, *warned))


def _warned(material: Material) -> list[Block]:
    if not material.remarks:
        return []
    rows: list[tuple[Entry, ...]] = [
        (remark.family, remark.task, str(len(remark.trials)), remark.sentence) for remark in material.remarks
    ]
    note = "Of search and confirmation. Sentences that differ in their numbers alone stand here once, as first said."
    return [
        Table("warnings", "What trials warned of", "llrl", ("family", "task", "trials", "warning"), tuple(rows), note)
    ]


def _lost(material: Material) -> list[Block]:
    """The first fifty with their reasons."""
    cells = {
        config.key: (cell, config) for cell in (*material.confirmed, *material.searched) for config in cell.configs
    }
    scoreless = {key for cell in (*material.confirmed, *material.searched) for key in cell.scoreless}
    bad = [
        trial for trial in material.trials.values()
        if (trial.state in (states.FAILED, states.DIVERGED) and trial.config_key in cells) or trial.key in scoreless
    ]  # fmt: skip
    if not bad:
        return []
    rows: list[tuple[Entry, ...]] = []
    for trial in bad[:MOST]:
        cell, config = cells[trial.config_key]
        state, reason = trial.state, trial.reason or "no reason was given"
        if trial.key in scoreless:
            tested = cell.facts.get("phase") == CONFIRM
            metric = material.select.test_metric if tested else material.select.monitor
            state, reason = states.DIVERGED, f"{metric} is not a finite number where the trial is judged"
        rows.append(
            (
                cell.facts["label"],
                cell.facts["task"],
                settings(config.params, cell.facts.get("searched", ())) or NOTHING,
                str(trial.repeat),
                state,
                str(trial.epoch),
                reason,
            )
        )
    columns = ("family", "task", "config", "repeat", "state", "epoch", "reason")
    left = f" {len(bad) - MOST} more are not listed." if len(bad) > MOST else ""
    return [
        Paragraph(f"n = {len(bad)}. They have no score, and no family is better for having lost them.{left}"),
        Table("failures", "Trials without a score", "lllrlrl", columns, tuple(rows)),
    ]
