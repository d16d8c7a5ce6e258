"""How families compare: paired tests against a baseline, in each task and over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.records.ledger import CONFIRM, Ledger
from study.results.budget import Budget, budget_of
from study.results.confirmed import Confirmations, confirmations
from study.results.entries import Entry, entries_of
from study.results.pairing import check_alike, paired
from study.results.remarks import remark_text, remarks_of
from study.results.selection import nothing_completed
from study.results.settings import differing_settings
from study.results.statistics import (
    FEWEST_PAIRS,
    MOST_REPEATS,
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
HARDLY_ANY = f"not even {MOST_REPEATS:,} repeats"  # of a difference that is nothing beside its spread


@dataclass(frozen=True)
class Row:
    """An entry beside the baseline of its task, which is the family `against`, or none where that is empty.

    `test` is None for the baseline itself and for a single repeat. `p` is corrected by Holm's method for all tests of
    the comparison, None where there is no test, as there is none against a baseline that is not `scored`. `detectable`
    is the smallest difference that these repeats, with this spread, would have shown four times out of five;
    `repeats_needed` the number of repeats at which an effect of this size would be seen as often, None below five. Both
    are for 5 % divided by the number of tests (Bonferroni), the level that Holm's method holds the smallest p to: what
    is found there is found by Holm's method as well.
    """

    entry: Entry
    against: str
    interval: tuple[float, float] | None
    test: PairedTest | None = None
    p: float | None = None
    detectable: float | None = None
    repeats_needed: int | None = None
    scored: bool = True

    def verdict(self, more_is_better: bool) -> str:
        """The comparison in words."""
        baseline = self.against
        if not self.entry.scores:
            return "no score"
        if self.entry.family == baseline:
            return "baseline"
        if not baseline:
            return "no test: the baseline has not run on this task"
        if not self.scored:
            return f"no test: the baseline {baseline} has no score"
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
        if self.test is None or self.test.effect is None:  # too few repeats to say
            return ""
        if self.repeats_needed is None:
            return f"; {HARDLY_ANY} might tell"
        enough = max(self.repeats_needed, self.test.n + 1)
        return f"; {f'> {MOST_SAID}' if enough > MOST_SAID else enough} repeats might tell"


@dataclass(frozen=True)
class Comparison:
    """Rows by task, in the study file's order. `ranks` are mean ranks over the tasks that every family has a score in.

    There are `ranked_tasks` of these. Mean ranks that differ by less than `critical_difference` are not
    distinguishable; None where tasks are too few. `baseline` is what each task's own is looked up by. `notes` say in a
    sentence each which confirmations are left out and why, `warnings` what the compared trials warned of. `unconfirmed`
    are the studies without one that counts, and `differing` the settings in which the studies differ, each with its
    value by study. `budgets` has what each study's search was given and took.
    """

    phase: str
    metric: str
    more_is_better: bool
    baseline: str
    tasks: dict[str, list[Row]]
    ranks: dict[str, float] = field(default_factory=dict)
    ranked_tasks: int = 0
    critical_difference: float | None = None
    notes: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    differing: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()

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
            "ranked_tasks": self.ranked_tasks,
            "critical_difference": self.critical_difference,
            "notes": list(self.notes),
            "unconfirmed": list(self.unconfirmed),
            "differing_settings": self.differing,
            "warnings": list(self.warnings),
            "budgets": [budget.as_json() for budget in self.budgets],
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
            "study": entry.study,
            "against": row.against,
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
            "verdict": row.verdict(self.more_is_better),
            "divergence_rate": entry.divergence_rate,
            "scoreless": entry.scoreless,
            "epochs": entry.epochs,
            "seconds": entry.seconds,
        }


def compare(
    ledgers: Sequence[tuple[str, Ledger]], *, baseline: str | None = None, phase: str | None = None
) -> Comparison:
    """Compare the families of one or more studies, by name: those that were confirmed by default, else the searched.

    By default it is the searched as soon as one study has no confirmation that counts (`study/results/confirmed.py`).
    Each task's baseline is the family called `baseline` there, `a/ce` or `ce`, of the first study that has one; by
    default `ce`, or the task's first family. StudyError where nothing has a score, the studies select by different
    metrics or were confirmed by different protocols, the baseline is unknown, or trials of one task are of different
    images, splits, noise or test sets, or do not say of which.
    """
    results = [confirmations(ledger, name) for name, ledger in ledgers]
    unconfirmed = tuple(name for (name, _), each in zip(ledgers, results, strict=True) if not each.cells)
    notes = _notes(ledgers, results, unconfirmed, phase)
    phase = phase or (SEARCH if unconfirmed else CONFIRM)
    entries = entries_of(ledgers, results, phase)
    if not any(entry.scores for entry in entries):
        raise StudyError(
            "; ".join(_nothing(name, each, phase) for (name, _), each in zip(ledgers, results, strict=True))
        )
    metric, more_is_better = _selected(ledgers, phase)
    families = list(dict.fromkeys(entry.family for entry in entries))
    names = list(dict.fromkeys(entry.name for entry in entries))
    if baseline is not None and baseline not in (*families, *names):
        raise StudyError(unknown_name("family", baseline, families, "families compared"))
    check_alike(entries)
    asked = baseline or ("ce" if "ce" in names else names[0])
    name = next((entry.name for entry in entries if entry.family == asked), asked)
    tasks = {}
    for task, group in _by_task(entries).items():
        reference = _reference(group, asked, name)
        tasks[task] = _rows(group, group[0] if reference is None and baseline is None else reference)
    tasks = _corrected(tasks)
    ranked = _ranked_tasks(tasks, families)
    differing = differing_settings({name: ledger.spec() or {} for name, ledger in ledgers}) if len(ledgers) > 1 else {}
    comparison = Comparison(
        phase, metric, more_is_better, asked, tasks, notes=notes, unconfirmed=unconfirmed, differing=differing,
        warnings=_warnings(ledgers, entries), budgets=_budgets(ledgers, results),
    )  # fmt: skip
    if len(ranked) < FEWEST_CELLS or len(families) < FEWEST_CELLS:
        return comparison
    return replace(
        comparison,
        ranks=dict(zip(families, mean_ranks(ranked, more_is_better=more_is_better), strict=True)),
        ranked_tasks=len(ranked),
        critical_difference=critical_difference(len(families), len(ranked)),
    )


def _budgets(ledgers: Sequence[tuple[str, Ledger]], results: Sequence[Confirmations]) -> tuple[Budget, ...]:
    return tuple(
        budget_of(name, ledger.spec() or {}, each.searched)
        for (name, ledger), each in zip(ledgers, results, strict=True)
    )


def _warnings(ledgers: Sequence[tuple[str, Ledger]], entries: Sequence[Entry]) -> tuple[str, ...]:
    """What the compared trials warned of, by the names that the entries have here."""
    found = []
    for study, ledger in ledgers:
        remarks = remarks_of(ledger)
        for entry in entries:
            trials = [trial.key for trial in entry.trials]
            ours = (each for each in remarks if entry.study == study and each.among(trials))
            found += [remark_text(replace(remark, family=entry.family), trials) for remark in ours]
    return tuple(found)


def _reference(entries: list[Entry], family: str, name: str) -> Entry | None:
    """The baseline of a task: the very family, else the first of that name, one with scores where there is one."""
    found = [entry for entry in entries if entry.family == family] or [e for e in entries if e.name == name]
    return min(found, key=lambda entry: not entry.scores, default=None)


def _notes(
    ledgers: Sequence[tuple[str, Ledger]],
    results: Sequence[Confirmations],
    unconfirmed: Sequence[str],
    phase: str | None,
) -> tuple[str, ...]:
    """What of which study's confirmation is not compared; nothing where the search was asked for."""
    if phase == SEARCH:
        return ()
    without = set(unconfirmed)
    falls_back = phase is None and without
    notes = [
        sentence if len(ledgers) == 1 else f"{name}: {sentence}"
        for (name, _), each in zip(ledgers, results, strict=True)
        if not falls_back or name in without
        for sentence in each.left_out
    ]
    if falls_back and (len(without) < len(ledgers) or notes):
        lacking = " and ".join(f"'{name}'" for name in unconfirmed)
        notes.append(f"Validation scores of the search are compared, since no test score of {lacking} counts")
    return tuple(f"{note}." for note in notes)


def _nothing(name: str, results: Confirmations, phase: str) -> str:
    if phase == SEARCH:
        return nothing_completed(name, results.searched, "of the search to compare")
    if results.left_out and not results.cells:
        said = f"study '{name}' has no confirmation that counts: {'; '.join(results.left_out)}"
    else:
        said = nothing_completed(name, results.cells, "of the confirmation to compare")
    return f"{said}; --phase {SEARCH} compares what was searched"


def _selected(ledgers: Sequence[tuple[str, Ledger]], phase: str) -> tuple[str, bool]:
    from study.spec import SelectSpec

    found = [SelectSpec.model_validate((ledger.spec() or {}).get("select", {})) for _, ledger in ledgers]
    if len({select.monitor for select in found}) > 1:
        said = ", ".join(f"{name} by {select.monitor}" for (name, _), select in zip(ledgers, found, strict=True))
        raise StudyError(f"these studies cannot be compared: {said}; compare each by itself")
    return (found[0].test_metric if phase == CONFIRM else found[0].monitor), found[0].mode == "max"


def _by_task(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    tasks: dict[str, list[Entry]] = {}
    for entry in entries:
        tasks.setdefault(entry.task, []).append(entry)
    return tasks


def _rows(entries: list[Entry], reference: Entry | None) -> list[Row]:
    rows = []
    for entry in entries:
        test = None
        if reference is not None and entry is not reference:
            ours, theirs = paired(entry, reference)
            test = paired_test(ours, theirs)
        against, scored = (reference.family, bool(reference.scores)) if reference else ("", True)
        rows.append(Row(entry, against, interval(entry.scores), test, scored=scored))
    return rows


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


def _ranked_tasks(tasks: dict[str, list[Row]], families: list[str]) -> list[list[float]]:
    """The means of the tasks that every family has a score in, `[tasks][families]`."""
    complete = []
    for rows in tasks.values():
        means = {row.entry.family: row.entry.mean for row in rows}
        scores = [mean for family in families if (mean := means.get(family)) is not None]
        if len(scores) == len(families):
            complete.append(scores)
    return complete
