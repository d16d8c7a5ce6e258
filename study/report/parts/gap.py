"""The selection gap: what the choice by a user's labels costs, and what choosing makes look better than it is."""

from __future__ import annotations

import statistics

from study.planning.agenda import SCREENING
from study.records.ledger_reader import TrialRecord
from study.records.states import STOPPED_EARLY
from study.report.document import Entry, Paragraph, Section, Table, slug
from study.report.gather import Material
from study.report.parts.curves import validation_metrics
from study.report.words import common_n, metric_words, score_text, with_n
from study.results.selection import CellResult, ConfigResult


def section(material: Material) -> Section | None:
    """A table for each task, of the best configs of the search."""
    tables = [_table(material, task, cells) for task, cells in material.tasks.items() if any(c.best for c in cells)]
    if not tables:
        return None
    tables += [table for task, cells in material.tasks.items() if (table := _stopped_too(material, task, cells))]
    labels = material.select.labels
    text = (
        f"Configs were chosen by validation images with {'noisy' if labels == 'noisy' else 'true'} labels at the "
        f"{material.select.epoch} epoch. 'True labels' is the same epoch judged by labels that a user does not have; "
        "'best for true labels' is the most that any epoch would have given, an upper limit that no rule reaches by "
        "right."
    )
    if material.oracle:
        text += (
            " 'Test, these trials' is what the test set says of the checkpoints that were chosen, 'test, oracle' of "
            "those that it would have chosen itself: what selection by validation costs. Nothing was chosen by them."
        )
    if material.confirmed:
        text += (
            " The test scores of the confirmation are of other images and other repeats. Where they fall short of the "
            "validation's against true labels, that may be chance or harder images as well as selection: the two "
            "columns do not tell these apart."
        )
    return Section("The selection gap", (Paragraph(text), *tables))


def _table(material: Material, task: str, cells: list[CellResult]) -> Table:
    metric = material.select.metric
    columns: dict[str, list[list[float]]] = {"noisy labels": [], "true labels": [], "true labels, last epoch": []}
    columns |= {"best for true labels": [], "test, these trials": [], "test, oracle": [], "test, confirmed": []}
    shown = [cell for cell in cells if cell.best]
    for cell in shown:
        columns["noisy labels"].append(material.values(cell, f"{metric}_noisy"))
        columns["true labels"].append(material.values(cell, f"{metric}_clean"))
        columns["true labels, last epoch"].append(_at(material, cell, f"{metric}_clean", best=False))
        columns["best for true labels"].append(_at(material, cell, f"{metric}_clean", best=True))
        columns["test, these trials"].append(_tested(material, cell.best))
        columns["test, oracle"].append(_oracle(material, cell))
        confirmed = material.confirmed_as(cell)
        columns["test, confirmed"].append(material.values(confirmed, material.select.test_metric) if confirmed else [])
    if len(validation_metrics(material, cells)) == 1:  # and so one of the others repeats the chosen epoch's
        del columns["noisy labels"]
        del columns["best for true labels" if material.select.epoch == "best" else "true labels, last epoch"]
    columns = {name: found for name, found in columns.items() if any(found)}
    common = {name: common_n(len(values) for values in found) for name, found in columns.items()}
    rows: list[tuple[Entry, ...]] = []
    for place, cell in enumerate(shown):
        texts = [with_n(score_text(found[place]), len(found[place]), common[name]) for name, found in columns.items()]
        rows.append((cell.facts["label"], *texts))
    return Table(
        f"gap-{slug(task)}",
        f"Selection gap: {task}",
        "l" + "r" * len(columns),
        ("family", *(f"{name} (n = {common[name]})" if common[name] else name for name in columns)),
        tuple(rows),
        f"{metric_words(metric).capitalize()}: mean ± standard deviation over n repeats; none for one.",
    )


def _tested(material: Material, config: ConfigResult | None) -> list[float]:
    """What the test set says of a config's trials, where it was asked of all of them."""
    found = [_answer(material, trial) for trial in config.trials] if config else []
    values = [value for value in found if value is not None]
    return values if len(values) == len(found) else []


def _answer(material: Material, trial: TrialRecord) -> float | None:
    """What the test set says of a trial; None where it was not asked, or before the trial went on."""
    found, chosen = material.oracle.get(trial.key, {}), material.chosen_epoch(trial)
    return found.get(material.select.test_metric) if found.get("epoch", chosen) == chosen else None


def _stopped_too(material: Material, task: str, cells: list[CellResult]) -> Table | None:
    """The oracle over every kept checkpoint of the screening repeat; None where none is of a trial that was stopped."""
    more_is_better, rows, any_stopped = material.select.mode == "max", list[tuple[Entry, ...]](), False
    for cell in cells:
        screened = {config.key: material.by_config.get(config.key, [])[:1] for config in cell.configs}
        trials = [trial for found in screened.values() for trial in found if trial.repeat == SCREENING]
        answers = {t.config_key: (a, t.state) for t in trials if (a := _answer(material, t)) is not None}
        if not answers:
            continue
        stopped = sum(state == STOPPED_EARLY for _, state in answers.values())
        any_stopped = any_stopped or stopped > 0
        of_best = answers.get(cell.best.key) if cell.best else None
        values = [value for value, _ in answers.values()]
        rows.append(
            (
                cell.facts["label"],
                f"{len(answers)} of {len(cell.configs)}",
                str(stopped),
                score_text([of_best[0]] if of_best else []),
                score_text([max(values) if more_is_better else min(values)]),
            )
        )
    if not any_stopped:
        return None
    return Table(
        f"gap-stopped-{slug(task)}",
        f"Stopped configs too: {task}",
        "lrrrr",
        ("family", "configs judged", "of them stopped", "test, chosen config", "test, oracle"),
        tuple(rows),
        f"{metric_words(material.select.test_metric).capitalize()} on the screening repeat (n = 1 each) of the config "
        "that was chosen, and of the one that the test set would have chosen among all whose checkpoint was kept. "
        "Those that a scheduler stopped are judged where it stopped them.",
    )


def _oracle(material: Material, cell: CellResult) -> list[float]:
    """The same of the config that the test set would have chosen among those with as many repeats as the best."""
    most = cell.best.n if cell.best else 0
    candidates = [values for config in cell.configs if config.n == most and (values := _tested(material, config))]
    sign = 1 if material.select.mode == "max" else -1
    return max(candidates, key=lambda values: sign * statistics.fmean(values), default=[])


def _at(material: Material, cell: CellResult, metric: str, *, best: bool) -> list[float]:
    """A metric of each repeat at its best epoch for that very metric, or at its last one."""
    assert cell.best is not None
    found = []
    for trial in cell.best.trials:
        values = [report[metric] for _, report in material.reports[trial.key] if report.get(metric) is not None]
        if not values:
            return []
        found.append((max(values) if material.select.mode == "max" else min(values)) if best else values[-1])
    return found
