"""How families compare: paired tests against a baseline, in each task and over all of them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from study import states
from study.errors import StudyError
from study.ledger import CONFIRM, Ledger, TrialRecord
from study.results import CellResult, cell_results, nothing_completed
from study.statistics import (
    FEWEST_PAIRS,
    SIGNIFICANCE,
    PairedTest,
    critical_difference,
    detectable_effect,
    holm,
    interval,
    mean_ranks,
    paired_test,
    repeats_needed,
)
from trainables.names import unknown_name
from trainables.trial import SEARCH

if TYPE_CHECKING:
    from pandas import DataFrame

FEWEST_CELLS = 2  # over which ranks say anything
MOST_SAID = 100  # repeats: of more than that, how many is a number without a use


@dataclass(frozen=True)
class Entry:
    """One family on one task: the scores of its best config by repeat, and what they cost."""

    family: str
    task: str
    params: dict[str, Any]
    searched: tuple[str, ...]
    trials: tuple[TrialRecord, ...]
    scores: tuple[float, ...]
    counts: Counter[str]
    epochs: int
    seconds: float

    @property
    def mean(self) -> float | None:
        """Mean over repeats."""
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def sd(self) -> float | None:
        """Standard deviation over repeats (n - 1)."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None

    @property
    def divergence_rate(self) -> float | None:
        """The share of its ended trials whose loss stopped being a number."""
        ended = sum(self.counts[state] for state in states.ENDED)
        return self.counts[states.DIVERGED] / ended if ended else None


@dataclass(frozen=True)
class Row:
    """An entry beside the baseline of its task. `test` is None for the baseline itself and for a single repeat.

    `p` is corrected by Holm's method for all tests of the comparison, None where there is no test. `detectable` is the
    smallest difference that these repeats, with this spread, would have shown four times out of five;
    `repeats_needed` the number of repeats at which an effect of this size would be seen as often, None below five.
    """

    entry: Entry
    interval: tuple[float, float] | None
    test: PairedTest | None = None
    p: float | None = None
    detectable: float | None = None
    repeats_needed: int | None = None

    def verdict(self, baseline: str, more_is_better: bool) -> str:
        """The comparison in words."""
        if self.entry.family == baseline:
            return "baseline"
        if not self.entry.scores:
            return "no score"
        if self.test is None and len(self.entry.scores) == 1:
            return "one repeat: no spread, no test"
        if self.test is None or self.test.n < FEWEST_PAIRS:
            return f"no test: fewer than {FEWEST_PAIRS} repeats in common with {baseline}"
        if self.p is None:
            return "no test: all differences equal"
        if self.p >= SIGNIFICANCE:
            return f"not distinguishable from {baseline}{self._more()}"
        better = (self.test.mean > 0) == more_is_better
        return f"{'better' if better else 'worse'} than {baseline}"

    def _more(self) -> str:
        if self.repeats_needed is None or self.test is None:
            return ""
        enough = max(self.repeats_needed, self.test.n + 1)
        return f"; {f'> {MOST_SAID}' if enough > MOST_SAID else enough} repeats might tell"


@dataclass(frozen=True)
class Comparison:
    """Rows by task, in the study file's order. `ranks` are mean ranks over the tasks that every family has a score in.

    Mean ranks that differ by less than `critical_difference` are not distinguishable; None where tasks are too few.
    """

    phase: str
    metric: str
    more_is_better: bool
    baseline: str
    tasks: dict[str, list[Row]]
    ranks: dict[str, float] = field(default_factory=dict)
    critical_difference: float | None = None

    @property
    def num_tests(self) -> int:
        """How many tests p is corrected for: those of every task and family beside the baseline."""
        return sum(row.p is not None for rows in self.tasks.values() for row in rows)

    @property
    def ranks_decide(self) -> bool:
        """Whether any two families could differ by the critical difference of mean ranks at all."""
        return self.critical_difference is not None and self.critical_difference < len(self.ranks) - 1

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "phase": self.phase,
            "metric": self.metric,
            "baseline": self.baseline,
            "num_tests": self.num_tests,
            "tasks": {task: [self._row(row) for row in rows] for task, rows in self.tasks.items()},
            "ranks": self.ranks,
            "critical_difference": self.critical_difference,
        }

    def to_frame(self) -> DataFrame:
        """The rows of all tasks; the paired test's numbers are columns `paired_p`, ..., settings `params_alpha`, ..."""
        from pandas import json_normalize

        rows = [{"task": task, **self._row(row)} for task, rows in self.tasks.items() for row in rows]
        for row in rows:
            row["paired"] = row.pop("test") or {}
        return json_normalize(rows, sep="_")

    def _row(self, row: Row) -> dict[str, Any]:
        entry = row.entry
        return {
            "family": entry.family,
            "params": entry.params,
            "mean": entry.mean,
            "sd": entry.sd,
            "n": len(entry.scores),
            "scores": list(entry.scores),
            "interval": row.interval,
            "test": asdict(row.test) if row.test else None,
            "p_holm": row.p,
            "detectable": row.detectable,
            "repeats_needed": row.repeats_needed,
            "verdict": row.verdict(self.baseline, self.more_is_better),
            "divergence_rate": entry.divergence_rate,
            "epochs": entry.epochs,
            "seconds": entry.seconds,
        }


def compare(
    ledgers: Sequence[tuple[str, Ledger]], *, baseline: str | None = None, phase: str | None = None
) -> Comparison:
    """Compare the families of one or more studies, by name: those that were confirmed by default, else the searched.

    StudyError where nothing has a score, the studies select by different metrics, the baseline is unknown, or trials
    that would be paired differ in their split or noise.
    """
    phase = phase or (CONFIRM if all(cell_results(ledger, phase=CONFIRM) for _, ledger in ledgers) else SEARCH)
    entries = _entries(ledgers, phase)
    if not any(entry.scores for entry in entries):
        raise StudyError("; ".join(_nothing(name, ledger, phase) for name, ledger in ledgers))
    families = list(dict.fromkeys(entry.family for entry in entries))
    if baseline is not None and baseline not in families:
        raise StudyError(unknown_name("family", baseline, families, "families compared"))
    against = baseline or next((name for name in families if name.rpartition("/")[2] == "ce"), families[0])
    metric, more_is_better = _selected(ledgers, phase)
    tasks = {task: _rows(group, against) for task, group in _by_task(entries).items()}
    tasks = _corrected(tasks)
    ranks, difference = _ranks(tasks, families, more_is_better)
    return Comparison(phase, metric, more_is_better, against, tasks, ranks, difference)


def _nothing(name: str, ledger: Ledger, phase: str) -> str:
    if phase == SEARCH:
        return nothing_completed(name, cell_results(ledger), "of the search to compare")
    said = nothing_completed(name, cell_results(ledger, phase=phase), "of the confirmation to compare")
    return f"{said}; --phase {SEARCH} compares what was searched"


def _selected(ledgers: Sequence[tuple[str, Ledger]], phase: str) -> tuple[str, bool]:
    from study.spec import SelectSpec

    found = [SelectSpec.model_validate((ledger.spec() or {}).get("select", {})) for _, ledger in ledgers]
    if len({select.monitor for select in found}) > 1:
        said = ", ".join(f"{name} by {select.monitor}" for (name, _), select in zip(ledgers, found, strict=True))
        raise StudyError(f"these studies cannot be compared: {said}; compare each by itself")
    return (found[0].test_metric if phase == CONFIRM else found[0].monitor), found[0].mode == "max"


def _entries(ledgers: Sequence[tuple[str, Ledger]], phase: str) -> list[Entry]:
    found, several = [], len(ledgers) > 1
    searches = [cell_results(ledger) for _, ledger in ledgers]
    compared = searches if phase == SEARCH else [cell_results(ledger, phase=phase) for _, ledger in ledgers]
    labels = Counter((cell.facts["label"], cell.facts["task"]) for cells in compared for cell in cells)
    for (name, _), search, cells in zip(ledgers, searches, compared, strict=True):
        searched = {cell.key: cell for cell in search}
        for cell in cells:
            label = cell.facts["label"]
            if several and labels[label, cell.facts["task"]] > 1:
                label = f"{name}/{label}"
            found.append(_entry(label, cell, searched.get(cell.facts.get("search_cell", ""))))
    return found


def _entry(label: str, cell: CellResult, search: CellResult | None) -> Entry:
    """The cell's best config; what it cost includes the search that found it."""
    best, parts = cell.best, [cell, *([search] if search else [])]
    return Entry(
        label,
        cell.facts["task"],
        best.params if best else {},
        tuple(cell.facts.get("searched", ())),
        best.trials if best else (),
        best.scores if best else (),
        sum((part.counts for part in parts), Counter()),
        sum(part.epochs for part in parts),
        sum(part.seconds for part in parts),
    )


def _by_task(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    tasks: dict[str, list[Entry]] = {}
    for entry in entries:
        tasks.setdefault(entry.task, []).append(entry)
    return tasks


def _rows(entries: list[Entry], baseline: str) -> list[Row]:
    reference = next((entry for entry in entries if entry.family == baseline), None)
    rows = []
    for entry in entries:
        test = None
        if reference is not None and entry is not reference:
            ours, theirs = _paired(entry, reference)
            test = paired_test(ours, theirs)
        rows.append(Row(entry, interval(entry.scores), test))
    return rows


def _paired(entry: Entry, reference: Entry) -> tuple[list[float], list[float]]:
    """The scores of the repeats that both have; StudyError where these did not see the same data."""
    theirs = {trial.repeat: (trial, score) for trial, score in zip(reference.trials, reference.scores, strict=True)}
    pairs = []
    for trial, score in zip(entry.trials, entry.scores, strict=True):
        if trial.repeat not in theirs:
            continue
        other, other_score = theirs[trial.repeat]
        for what in ("split", "noise"):
            if trial.facts.get(f"{what}_digest") != other.facts.get(f"{what}_digest"):
                raise StudyError(
                    f"{entry.family} and {reference.family} on {entry.task} differ in the {what} of repeat "
                    f"{trial.repeat}: they cannot be paired; compare studies of one seed and data set, "
                    "and launch one whose data or code has changed anew under another name"
                )
        pairs.append((score, other_score))
    return [a for a, _ in pairs], [b for _, b in pairs]


def _corrected(tasks: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The rows with what follows from there being several tests."""
    p_values = [row.test.p for rows in tasks.values() for row in rows if row.test and row.test.p is not None]
    p, tests = iter(holm(p_values)), len(p_values)

    def corrected(row: Row) -> Row:
        test = row.test
        if test is None or test.p is None:
            return row
        needed = repeats_needed(test.effect, tests) if test.effect is not None else None
        return replace(row, p=next(p), detectable=detectable_effect(test.n, tests) * test.sd, repeats_needed=needed)

    return {task: [corrected(row) for row in rows] for task, rows in tasks.items()}


def _ranks(
    tasks: dict[str, list[Row]], families: list[str], more_is_better: bool
) -> tuple[dict[str, float], float | None]:
    complete = []
    for rows in tasks.values():
        means = {row.entry.family: row.entry.mean for row in rows}
        scores = [mean for family in families if (mean := means.get(family)) is not None]
        if len(scores) == len(families):
            complete.append(scores)
    if len(complete) < FEWEST_CELLS or len(families) < FEWEST_CELLS:
        return {}, None
    ranks = mean_ranks(complete, more_is_better=more_is_better)
    return dict(zip(families, ranks, strict=True)), critical_difference(len(families), len(complete))
