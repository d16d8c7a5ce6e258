"""Confirmation: the best configs of each cell, judged on fresh repeats by a test set that had no say in choosing them.

The search's winners become cells, configs and trials like any others, of the phase `confirm`: in the ledger, resumable,
in MLflow under parents of their own. The plan reads the test set for its digest; each trial is tested when it has
ended, or after every epoch where a curve is asked for.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.planning.agenda import Todo, cell_facts
from study.planning.plan import Cell, Config, Plan, Task
from study.records import states
from study.records.keys import counts, key_of
from study.records.ledger import CONFIRM, Ledger
from study.records.ledger_reader import TrialRecord
from study.results.selection import CellResult, ConfigResult, cell_results, nothing_completed, ranked, why_fewer
from study.search import Params
from study.spec import ConfirmSpec, StudySpec
from trainables.data.datasets import load_pool, load_test
from trainables.models.lone_image import check_last_batch
from trainables.trial import Trial


@dataclass(frozen=True)
class ConfirmCell:
    """The winners of one cell."""

    cell: Cell
    confirm: ConfirmSpec
    results: tuple[ConfigResult, ...]
    test_digest: str

    @cached_property
    def key(self) -> str:
        """Hash of the searched cell's and of the protocol."""
        return key_of([CONFIRM, self.cell.key, self.confirm.protocol])

    @property
    def facts(self) -> dict[str, Any]:
        """What tables and MLflow say about it."""
        return cell_facts(self.cell) | {
            "phase": CONFIRM,
            "protocol": self.confirm.protocol,
            "repeats": self.confirm.repeats,
            "search_cell": self.cell.key,
            "chosen": [result.number for result in self.results],
            "asked": self.confirm.model_dump(),
            "written": self.cell.spec.confirm.model_dump(),
        }

    @cached_property
    def configs(self) -> list[Winner]:
        """Its winners, the best first."""
        return [Winner(self, result) for result in self.results]

    @property
    def num_configs(self) -> int:
        """How many winners it has."""
        return len(self.results)

    @property
    def most_epochs(self) -> int:
        """The epochs of its longest training."""
        return max(winner.epochs for winner in self.configs)


@dataclass(frozen=True)
class Winner:
    """A config that the search chose."""

    cell: ConfirmCell
    result: ConfigResult

    @property
    def number(self) -> int:
        """Its number in the search."""
        return self.result.number

    @property
    def params(self) -> Params:
        """The point of the search space that it is."""
        return self.result.params

    @cached_property
    def chosen_epoch(self) -> int:
        """The epoch that the search chose: the median of its repeats' best epochs, or the last one."""
        select = self.cell.cell.spec.select.epoch
        epochs = [trial.best_epoch if select == "best" else trial.epoch for trial in self.result.trials]
        return round(statistics.median(epochs))

    @cached_property
    def epochs(self) -> int:
        """How many epochs its trials train for."""
        if self.cell.confirm.protocol == "retrain" and not self.cell.confirm.curve:
            return self.chosen_epoch
        epochs: int = self._config.trial(0)["training"]["epochs"]
        return epochs

    @cached_property
    def key(self) -> str:
        """Hash of what all its repeats share."""
        return key_of([CONFIRM, self.cell.key, self.result.key, self.trial(0)["confirm"]])

    def trial(self, repeat: int) -> Trial:
        """The full description of one of its trials: other masks, weights and orders than any repeat of the search."""
        trial = self._config.trial(repeat, CONFIRM)
        more = {"test_digest": self.cell.test_digest, **({"curve": True} if self.cell.confirm.curve else {})}
        if self.cell.confirm.protocol == "holdout":
            return trial | {"confirm": {"protocol": "holdout", **more}}
        return trial | {
            "split": trial["split"] | {"holdout": 0},
            "training": trial["training"] | {"patience": None},
            "confirm": {"protocol": "retrain", "epoch": self.chosen_epoch, **more},
        }

    def trial_key(self, repeat: int) -> str:
        """The key of one of its trials."""
        return key_of(counts(self.trial(repeat)))

    @cached_property
    def _config(self) -> Config:
        return Config(self.cell.cell, self.number, self.params)


@dataclass(frozen=True)
class ConfirmPlan:
    """All winners of a study. `left_out` says in a sentence each which cells have none, `notes` which have fewer than
    were asked for.
    """

    spec: StudySpec
    cells: tuple[ConfirmCell, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def most_epochs(self) -> int:
        """The epochs of its longest training."""
        return max(cell.most_epochs for cell in self.cells)


def make_confirm_plan(
    plan: Plan, ledger: Ledger, cache: Path, *, partial: bool = False, asked: ConfirmSpec | None = None
) -> ConfirmPlan:
    """The winners of the search so far, and the test sets that they will be judged by, read whole.

    `asked` says how to confirm them, where the study file does not.
    StudyError where nothing is completed, where test images are missing, damaged or unlike the others, where all
    images make batches that a network cannot train on, or, unless `partial`, where trials of the search are missing.
    """
    spec, cells = plan.spec, {cell.key: cell for cell in plan.cells}
    if asked is not None:
        spec = spec.model_copy(update={"confirm": asked})
    results = [result for result in cell_results(ledger) if result.key in cells]
    missing = sum(result.counts[state] for result in results for state in states.MISSING)
    if missing and not partial:
        raise StudyError(
            f"study '{spec.name}': {missing} trials of its search are not done; launch it again first, "
            "or confirm what there is with --partial"
        )
    winners = [(cells[result.key], result, ranked(result)[: spec.confirm.top]) for result in results]
    if not any(best for _, _, best in winners):
        raise StudyError(nothing_completed(spec.name, results, "to confirm"))
    tests = {cell.task.dataset.title: cell.task for cell, _, best in winners if best}
    digests = {title: _test_digest(task, cache) for title, task in tests.items()}
    confirmed = [
        ConfirmCell(cell, spec.confirm, tuple(best), digests[cell.task.dataset.title])
        for cell, _, best in winners
        if best
    ]
    if spec.confirm.protocol == "retrain":
        _check_last_batches(confirmed, cache)
    left_out = tuple(_why_not(result) for _, result, best in winners if not best)
    fewer = [_fewer(result, len(best), spec.confirm.top) for _, result, best in winners if best]
    return ConfirmPlan(spec, tuple(confirmed), left_out, tuple(filter(None, fewer)))


def _test_digest(task: Task, cache: Path) -> str:
    try:
        pool, test = load_pool(task.source, cache), load_test(task.source, cache)
    except ValueError as problem:
        raise StudyError(str(problem)) from None
    for what in ("image_shape", "class_names"):
        ours, theirs = getattr(pool, what), getattr(test, what)
        if ours != theirs:
            raise StudyError(
                f"data set '{task.dataset.title}': {what} is {ours} in training and {theirs} in the test set"
            )
    return test.digest


def _check_last_batches(cells: list[ConfirmCell], cache: Path) -> None:
    """Retraining has more images than the search had, and so another last batch."""
    for cell in cells:
        pool = load_pool(cell.cell.task.source, cache)
        for winner in cell.configs:
            trial = winner.trial(0)
            size = trial["training"]["batch_size"]
            try:
                check_last_batch(trial["model"], pool.image_shape, pool.num_classes, len(pool.labels), size)
            except ValueError as problem:
                raise StudyError(f"{problem}, in a study of another name; or confirm with --protocol holdout") from None


def _fewer(result: CellResult, found: int, top: int) -> str:
    """Empty where there are enough."""
    why = why_fewer(result, top)
    return f"{_title(result)}: {found} of {top} configs confirmed; {why}" if why else ""


def _title(result: CellResult) -> str:
    return f"{result.facts['label']} on {result.facts['task']}"


def _why_not(result: CellResult) -> str:
    said = states.in_words(result.counts) or "no trial ran"
    return f"{_title(result)}: no config to confirm ({said})"


class ConfirmAgenda:
    """Hands out the trials of a confirmation that are missing, cells in turns: what `Agenda` is to a search."""

    def __init__(self, plan: ConfirmPlan, ledger: Ledger) -> None:
        self.known: dict[str, TrialRecord] = ledger.trials()
        self.phase, self.scheduler = CONFIRM, ""  # nothing stops a confirmation early
        self.record = None  # nor has it a proposer
        self.running: dict[str, Todo] = {}
        winners = [winner for cell in plan.cells for winner in cell.configs]
        cells = ((cell.key, cell.facts) for cell in plan.cells)
        ledger.record_cells(cells, ((w.cell.key, w.key, w.number, w.params) for w in winners), phase=CONFIRM)
        todo = [
            Todo(winner.trial_key(repeat), winner, repeat)
            for repeat in range(plan.spec.confirm.repeats)
            for winner in winners
        ]
        ledger.record_trials((t.key, t.config.key, t.repeat, t.config.trial(t.repeat)) for t in todo)
        done = (states.COMPLETED, states.DIVERGED)
        missing = {t.key: t for t in todo if t.key not in self.known or self.known[t.key].state not in done}
        self._queue = deque(missing.values())

    @property
    def at_most(self) -> int:
        """How many trials are still to come, those that run among them."""
        return len(self._queue) + len(self.running)

    @property
    def finished(self) -> bool:
        """Whether nothing is missing and nothing is running."""
        return not self.running and not self._queue

    def next(self) -> Todo | None:
        """The next trial to run; None where there is none."""
        if not self._queue:
            return None
        todo = self._queue.popleft()
        self.running[todo.key] = todo
        return todo

    def end(self, key: str, state: str, score: float | None, epochs: int) -> None:
        """A trial that was handed out has ended."""
        del self.running[key]

    def configs(self, cell: Any) -> list[Any]:
        """None whose past a scheduler would want to know."""
        return []
