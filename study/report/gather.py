"""Everything that a report is made of, read from the ledger once.

Epochs are read of the best configs' trials alone, so that a study of ten thousand trials is no burden.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from study.errors import StudyError
from study.planning.smoke import MEANINGLESS
from study.records.ledger import CONFIRM, Ledger
from study.records.ledger_reader import TrialRecord
from study.records.lock import is_held
from study.records.paths import Home, StudyPaths
from study.records.states import in_words
from study.report.look import Look, looks_of
from study.results.compare import Comparison, Row, compare
from study.results.confirmed import confirmations
from study.results.entries import Entry
from study.results.remarks import Remark, remarks_of
from study.results.selection import CellResult, nothing_completed, out_of_scope
from study.results.statistics import ROUNDING, SIGNIFICANCE, PairedTest, detectable_effect, pairwise_tests
from study.spec import SelectSpec, dataset_title
from study.spec.paper import PaperSpec
from study.tracking.links import RunLinks, run_links
from trainables.trial import SEARCH

SIZES = ("training", "validation", "test")

Reports = list[tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class Leaders:
    """The best family of a task by its mean, and the others with a score tested against it.

    The best is picked by the very scores that the tests are of, so p is corrected for `num_pairs`, all pairs of
    families of all tasks that could be tested; `pairs_untested` could not.
    """

    best: Row
    others: tuple[Row, ...]
    num_pairs: int
    pairs_untested: int = 0

    @property
    def family(self) -> str:
        """The best family."""
        return self.best.entry.family

    @cached_property
    def tied(self) -> tuple[str, ...]:
        """Those with the very mean of the best."""
        best = self.best.entry.mean or 0.0
        return self._names(lambda row: math.isclose(row.entry.mean or 0.0, best, rel_tol=ROUNDING))

    @cached_property
    def level(self) -> tuple[str, ...]:
        """Those that a paired test cannot tell from the best."""
        return self._names(lambda row: row.p is not None and row.p >= SIGNIFICANCE)

    @cached_property
    def worse(self) -> tuple[str, ...]:
        """Those that it can."""
        return self._names(lambda row: row.p is not None and row.p < SIGNIFICANCE)

    @cached_property
    def untested(self) -> tuple[str, ...]:
        """Those with too few repeats in common with the best, or with differences that are all equal."""
        return self._names(lambda row: row.p is None)

    @property
    def tested(self) -> bool:
        """Whether any family was tested against the best."""
        return bool(self.level or self.worse)

    def _names(self, which: Callable[[Row], bool]) -> tuple[str, ...]:
        return tuple(row.entry.family for row in self.others if which(row))


@dataclass(frozen=True)
class Material:
    """One study: what it asked for, its cells in both phases, the comparison, and the best configs' epochs.

    `confirmed` are the cells whose confirmation still counts; `left_out` says in a sentence each which do not.
    `reports` and `described` are those of the best configs' trials, by key; `trials` has all of these cells, and
    `oracle` what the test set says of some of them, by which nothing was chosen.
    """

    home: Home
    paths: StudyPaths
    spec: Mapping[str, Any]
    comparison: Comparison
    leaders: Mapping[str, Leaders]
    searched: tuple[CellResult, ...]
    confirmed: tuple[CellResult, ...]
    left_out: tuple[str, ...]
    trials: Mapping[str, TrialRecord]
    reports: Mapping[str, Reports]
    described: Mapping[str, Mapping[str, Any]]
    oracle: Mapping[str, Mapping[str, float]]
    environments: tuple[Mapping[str, Any], ...]
    outside: int
    running: bool
    links: RunLinks | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def name(self) -> str:
        """The study's name."""
        return self.paths.name

    @property
    def smoke(self) -> bool:
        """Whether the study was shrunk to see that it works."""
        return str(self.spec.get("description", "")).startswith(MEANINGLESS)

    @property
    def description(self) -> str:
        """What the study file says that it is."""
        said = str(self.spec.get("description", "")).removeprefix(MEANINGLESS).strip()
        return f"The study that this is a small version of: {said}" if self.smoke and said else said

    @cached_property
    def select(self) -> SelectSpec:
        """What configs were judged by."""
        return SelectSpec.model_validate(self.spec["select"])

    @cached_property
    def paper(self) -> PaperSpec | None:
        """The numbers that a paper printed."""
        return PaperSpec.model_validate(self.spec["paper"]) if self.spec.get("paper") else None

    @cached_property
    def families(self) -> tuple[str, ...]:
        """Every family, in the study file's order."""
        return tuple(dict.fromkeys(cell.facts["label"] for cell in (*self.searched, *self.confirmed)))

    @cached_property
    def looks(self) -> dict[str, Look]:
        """How each family is drawn."""
        return looks_of(self.families, self.comparison.baseline)

    @cached_property
    def tasks(self) -> dict[str, list[CellResult]]:
        """The searched cells of each task."""
        return by_task(self.searched)

    @cached_property
    def judged(self) -> tuple[CellResult, ...]:
        """The cells whose scores are compared: the confirmed ones where there are any."""
        return self.confirmed if self.comparison.phase == CONFIRM else self.searched

    @cached_property
    def datasets(self) -> dict[str, str]:
        """What data sets are called in tables, and in the study file."""
        return {dataset_title(each): each["name"] for each in self.spec["dataset"]}

    @cached_property
    def by_config(self) -> dict[str, list[TrialRecord]]:
        """Trials by config, the screening repeat first."""
        found: dict[str, list[TrialRecord]] = {}
        for trial in sorted(self.trials.values(), key=lambda trial: trial.repeat):
            found.setdefault(trial.config_key, []).append(trial)
        return found

    def score(self, trial: TrialRecord) -> float | None:
        """A searched trial's selection metric."""
        return trial.best_score if self.select.epoch == "best" else trial.last_score

    def chosen_epoch(self, trial: TrialRecord) -> int:
        """The epoch at which a searched trial is judged."""
        return trial.best_epoch if self.select.epoch == "best" else trial.epoch

    def values(self, cell: CellResult, metric: str) -> list[float]:
        """A metric of a cell's best config by repeat, at the epochs that are judged; empty where any repeat lacks it.

        `metric` is a test metric for a confirmed cell.
        """
        if cell.best is None:
            return []
        if cell.facts.get("phase") == CONFIRM:
            found = [trial.facts["test"].get(metric) for trial in cell.best.trials]
        else:
            found = [dict(self.reports[t.key]).get(self.chosen_epoch(t), {}).get(metric) for t in cell.best.trials]
        return [value for value in found if value is not None] if None not in found else []

    def is_clean(self, task: str) -> bool:
        """Whether all labels of a task are true, so that noisy and true labels are the same."""
        return all(
            cell.facts["noise_rate"] == 0 for cell in (*self.searched, *self.confirmed) if cell.facts["task"] == task
        )

    @property
    def some_clean(self) -> bool:
        """Whether any task is clean, so that what is said of all tasks at once names no labels."""
        return any(self.is_clean(task) for task in self.tasks)

    def scoreless(self, task: str) -> dict[str, str]:
        """The families of a task that have no score where scores are compared, each with the reason."""
        scored = {row.entry.family for row in self.comparison.tasks.get(task, ()) if row.entry.scores}
        found: dict[str, str] = {}
        for cell in (*self.judged, *self.searched):
            family = cell.facts["label"]
            if cell.facts["task"] == task and family not in scored:
                found.setdefault(family, "not confirmed" if cell.best else _lost(cell))
        return found

    def sizes(self, cell: CellResult) -> dict[str, int | None]:
        """Images of each set of a searched cell, as trials noted them; a search counts no test images."""
        assert cell.best is not None
        facts, tested = cell.best.trials[0].facts, self.confirmed_as(cell)
        test = tested.best.trials[0].facts.get("num_test") if tested and tested.best else None
        return dict(zip(SIZES, (facts.get("num_train"), facts.get("num_val"), test), strict=True))

    def confirmed_as(self, cell: CellResult) -> CellResult | None:
        """What became of a searched cell in the confirmation."""
        return next((each for each in self.confirmed if each.facts.get("search_cell") == cell.key), None)


def by_task(cells: tuple[CellResult, ...]) -> dict[str, list[CellResult]]:
    """Cells by the title of their task, in order."""
    tasks: dict[str, list[CellResult]] = {}
    for cell in cells:
        tasks.setdefault(cell.facts["task"], []).append(cell)
    return tasks


def gather(home: Home, paths: StudyPaths, *, baseline: str | None = None) -> Material:
    """Read a study; StudyError where no trial of it is completed, or families are not of the same data."""
    with Ledger(paths.ledger) as ledger:
        spec = ledger.spec()
        found = confirmations(ledger, paths.name)
        searched, confirmed = found.searched, found.cells
        if spec is None or not any(cell.best for cell in (*searched, *confirmed)):
            raise StudyError(nothing_completed(paths.name, searched, "to report"))
        phase = CONFIRM if any(cell.best for cell in confirmed) else SEARCH
        comparison = compare([(paths.name, ledger)], baseline=baseline, phase=phase)
        best = [trial for cell in (*searched, *confirmed) if cell.best for trial in cell.best.trials]
        asked_for = {trial.key for cell in (*searched, *confirmed) for trial in cell.trials}
        return Material(
            home,
            paths,
            spec,
            comparison,
            _leaders(comparison),
            searched,
            confirmed,
            found.left_out,
            {key: trial for key, trial in ledger.trials().items() if key in asked_for},
            {trial.key: ledger.reports(trial.key) for trial in best},
            {trial.key: ledger.trial(trial.key) for trial in best},
            ledger.oracle(),
            _distinct([ledger.environment(trial.key) for trial in best]),
            out_of_scope(ledger),
            is_held(paths.lock),
            run_links(ledger, home),
            tuple(remarks_of(ledger)),
        )


def _lost(cell: CellResult) -> str:
    """What became of the trials of a cell without a score: `12 of 12 diverged`."""
    counts, total = +cell.counts, cell.counts.total()
    if len(counts) == 1:
        return f"{total} of {total} {next(iter(counts)).replace('_', ' ')}"
    return in_words(counts) or "no trial ran"


def _leaders(comparison: Comparison) -> dict[str, Leaders]:
    """By task. What is said of the best holds whichever family that is: the tests are corrected for all pairs."""
    scored = {task: [row for row in rows if row.entry.scores] for task, rows in comparison.tasks.items()}
    tests = pairwise_tests([{row.entry.family: _by_repeat(row.entry) for row in rows} for rows in scored.values()])
    num_pairs = sum(p is not None for pairs in tests for _, p in pairs.values()) // 2  # they come in both orders
    untested = sum(math.comb(len(rows), 2) for rows in scored.values()) - num_pairs
    sign = 1 if comparison.more_is_better else -1
    found = {}
    for (task, rows), pairs in zip(scored.items(), tests, strict=True):
        if not rows:
            continue
        best = max(rows, key=lambda row: sign * (row.entry.mean or 0.0))
        others = tuple(
            _against(row, best.entry.family, pairs.get((row.entry.family, best.entry.family)), num_pairs)
            for row in rows
            if row is not best
        )
        found[task] = Leaders(best, others, num_pairs, untested)
    return found


def _by_repeat(entry: Entry) -> dict[int, float]:
    return {trial.repeat: score for trial, score in zip(entry.trials, entry.scores, strict=True)}


def _against(row: Row, best: str, tested: tuple[PairedTest, float | None] | None, num_pairs: int) -> Row:
    """A row's family beside the best one."""
    test, p = tested or (None, None)
    detectable = detectable_effect(test.n, num_pairs) * test.sd if test is not None and p is not None else None
    return Row(row.entry, best, row.interval, test, p, detectable)


def _distinct(environments: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = []
    for environment in environments:
        if environment and environment not in found:
            found.append(environment)
    return tuple(found)
