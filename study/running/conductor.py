"""Between the scheduler of trials and the ledger: who runs next, what a result means, whether a trial goes on.

Knows nothing of Ray: `ray_run.py` plugs it into Tune, tests drive it by hand.
"""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from study.planning.agenda import SCREENING, Agenda, Todo
from study.planning.plan import Cell, Plan
from study.records import states
from study.records.ledger import Ledger
from study.results.numbers import counted
from study.running.confirm import ConfirmAgenda, ConfirmPlan
from study.running.pace import Pace
from study.schedule import Pruner

log = logging.getLogger(__name__)


DECIDED = (states.COMPLETED, states.STOPPED_EARLY, states.DIVERGED)
WITH_A_NUMBER = re.compile(r"\S*\d\S*")  # words in which reasons of one kind differ
HOPELESS = 3  # a launch whose first trials all fail this often is given up


class Stop(Protocol):
    """True once the user wants the launch to end."""

    def __bool__(self) -> bool: ...


NEVER: Stop = False


def _to_nobody(sentence: str) -> None:
    pass


class Conductor:
    """Runs a plan against a ledger. Every result is on disk before anything is decided upon it.

    `say` is called with a sentence when a trial fails for a reason that none before it had.
    """

    def __init__(
        self,
        plan: Plan | ConfirmPlan,
        ledger: Ledger,
        stop: Stop = NEVER,
        make_agenda: Callable[[Any, Ledger], Agenda | ConfirmAgenda] = Agenda,
    ) -> None:
        spec = plan.spec
        self.plan, self.ledger, self._stop = plan, ledger, stop
        self.monitor, self.sign = spec.select.monitor, spec.select.sign
        interrupted = ledger.interrupt_running("the launch ended without a word")
        if interrupted:
            ledger.record_event(
                "recovered", f"{counted(interrupted, 'trial was', 'trials were')} left running by a launch that died"
            )
        self.agenda = make_agenda(plan, ledger)
        self.pruners: dict[str, Pruner] = {}
        self._filled_in: Counter[str] = Counter()  # of how many configs a cell's pruner knows the past
        self.interrupted = False
        self.hopeless: str | None = None  # why the launch was given up
        self.counts: Counter[str] = Counter()  # trials of this launch by the state in which they ended
        self.epochs = 0
        self._epochs_of: dict[str, int] = {}
        self._started: set[str] = set()
        self._taken_up: set[str] = set()  # of the started ones those that have not reported yet
        self.pace = Pace()
        self.say: Callable[[str], None] = _to_nobody
        self._reasons: set[str] = set()  # for which trials failed, as they were said
        self._next: Todo | None = self.agenda.next()

    @property
    def stopping(self) -> bool:
        """Whether no further trial is handed out, because the user wants that or because all of them fail."""
        self.interrupted = self.interrupted or bool(self._stop)
        return self.interrupted or self.hopeless is not None

    @property
    def handed_out(self) -> int:
        """How many trials were handed out and have not ended, those that wait for a worker among them."""
        return len(self.agenda.running) - (self._next is not None)

    @property
    def running(self) -> dict[str, Todo]:
        """The trials that a worker has and that have not ended."""
        return {key: todo for key, todo in list(self.agenda.running.items()) if key in self._started}

    @property
    def epochs_to_go(self) -> int:
        """How many epochs are still to come where no further trial is stopped early."""
        running = sum(self._epochs_of.get(key, 0) for key in self.running)
        return self.agenda.at_most * self.plan.most_epochs - running

    @property
    def idle(self) -> bool:
        """Whether nothing is missing."""
        return self._next is None and self.agenda.finished

    @property
    def finished(self) -> bool:
        """Whether no trial is running and none will be handed out."""
        return not self.running if self.stopping else self.idle

    @property
    def unwritable(self) -> str | None:
        """Which file of the study's could not be written, and why; None where all could."""
        if self.ledger.failure is not None:
            return f"{self.ledger.path}: {self.ledger.failure}"
        return self.agenda.record.failure if self.agenda.record else None

    def next(self) -> Todo | None:
        """The next trial to run; None where there is none now."""
        if self.stopping:
            return None
        todo, self._next = self._next, None
        return todo or self.agenda.next()

    def decisions(self, todo: Todo) -> list[int]:
        """Epochs at which the trial's fate is decided."""
        return self._pruner(todo.cell).decisions() if todo.screening else []

    def started(self, key: str) -> None:
        """A trial has gone to a worker."""
        self._started.add(key)
        self._taken_up.add(key)
        self.pace.started(key)
        self.ledger.record_started(key)

    def result(self, key: str, result: Mapping[str, Any]) -> bool:
        """Take in a worker's result; whether the trial goes on."""
        todo = self.agenda.running.get(key)
        if todo is None:  # late news of a trial that was given up
            return False
        if key in self._taken_up:
            self._taken_up.discard(key)
            self._note_what_is_trained_again(key, result["opened_epoch"])
        self.ledger.record_result(key, result, self.monitor)
        self.epochs += len(result["reports"])
        self.pace.trained(key, len(result["reports"]))
        self._epochs_of[key] = result["epoch"]
        if result["problem"]:
            self.ledger.record_event("unwritable", result["problem"], key)
            self.hopeless = self.hopeless or result["problem"]
        for warning in result["warnings"]:
            self.ledger.record_event("warning", warning, key)
        state, score = result["state"], self._best_score(key, result)
        if state == states.RUNNING:
            return self._goes_on(todo, result)
        reason = {
            states.DIVERGED: f"the loss was not a finite number after epoch {result['epoch']}",
            states.INTERRUPTED: result["problem"] or f"stopped by the user after epoch {result['epoch']}",
        }.get(state, "")
        self._end(key, state, score if state == states.COMPLETED else None, reason)
        return False

    def failed(self, key: str, reason: str) -> None:
        """A trial's retries are used up."""
        if key in self.agenda.running:
            self.ledger.record_event("failed", reason, key)
            self._end(key, states.FAILED, None, reason)
            self._say_failed(key, reason)
        if self.counts[states.FAILED] >= HOPELESS and self.counts.total() == self.counts[states.FAILED]:
            self.hopeless = f"the first {self.counts[states.FAILED]} trials all failed: {reason}"

    def abandon(self, reason: str) -> None:
        """What ran the trials is gone: those that were running are interrupted, and no other is handed out."""
        stopping = self.stopping
        count = self.ledger.interrupt_running(reason)
        self.counts[states.INTERRUPTED] += count
        self.ledger.record_event("abandoned", f"{reason}; {counted(count, 'trial was', 'trials were')} running")
        if not stopping:
            self.hopeless = reason

    def retried(self, key: str, reason: str) -> None:
        """A trial broke and is tried again from its last checkpoint."""
        self._started.discard(key)
        self.pace.left(key)
        self.ledger.record_event("retried", reason, key)

    def _note_what_is_trained_again(self, key: str, opened: int) -> None:
        reported = self.ledger.trials([key])[key].epoch
        if reported > opened:
            span = f"epochs {opened + 1} to {reported} are" if reported > opened + 1 else f"epoch {reported} is"
            self.ledger.record_event("trained again", f"{span} trained again: no checkpoint held them", key)

    def _say_failed(self, key: str, reason: str) -> None:
        alike = WITH_A_NUMBER.sub("", reason)
        if alike not in self._reasons:
            self._reasons.add(alike)
            self.say(f"trial {key} failed: {reason}")

    def _goes_on(self, todo: Todo, result: Mapping[str, Any]) -> bool:
        epoch = result["epoch"]
        if epoch not in self.decisions(todo):
            return True
        pruner = self._pruner(todo.cell)
        score = self.sign * result["score"]
        self._fill_rungs(todo.cell)
        best = self._best_score(todo.key, result)
        if not pruner.goes_on(todo.key, epoch, score):
            reason = f"{self.monitor} {result['score']:.4f} at epoch {epoch} is not among the best of its {self._scope}"
            self._end(todo.key, states.STOPPED_EARLY, best, reason, self.agenda.scheduler)
            return False
        if isinstance(self.agenda, Agenda) and not self.agenda.promote(todo, epoch):
            budget = counted(self.plan.spec.search.epochs or 0, "epoch")
            reason = f"what is left of its cell's {budget} (search.epochs) does not reach beyond epoch {epoch}"
            self._end(todo.key, states.STOPPED_EARLY, best, reason, self.agenda.budget)
            return False
        return True

    def _end(self, key: str, state: str, score: float | None, reason: str, stopped_under: str = "") -> None:
        self._started.discard(key)
        self.pace.left(key, failed=state == states.FAILED)
        self.ledger.record_ended(key, state, reason, stopped_under)
        self.counts[state] += 1
        self.agenda.end(key, state, score, self._epochs_of.get(key, 0))

    def _best_score(self, key: str, result: Mapping[str, Any]) -> float | None:
        epoch = result["best_epoch" if self.plan.spec.select.epoch == "best" else "epoch"]
        score = self.ledger.report(key, epoch).get(self.monitor)
        return score if score is not None and math.isfinite(score) else None

    def _pruner(self, cell: Cell) -> Pruner:
        if cell.key not in self.pruners:
            pruner = self._search.pruner(cell)
            self.pruners |= {rival.key: pruner for rival in self._search.rivals(cell)}
        return self.pruners[cell.key]

    @property
    def _search(self) -> Plan:
        assert isinstance(self.plan, Plan), "nothing stops a confirmation early"
        return self.plan

    @property
    def _scope(self) -> str:
        return getattr(self.plan.spec.scheduler, "scope", "cell")

    def _fill_rungs(self, cell: Cell) -> None:
        """Tell a cell's pruner what the trials of earlier launches had at their decision epochs."""
        for rival in self._search.rivals(cell):
            self._fill_in(rival)

    def _fill_in(self, cell: Cell) -> None:
        pruner, known = self._pruner(cell), self.agenda.known
        configs = self.agenda.configs(cell)
        untold, self._filled_in[cell.key] = configs[self._filled_in[cell.key] :], len(configs)
        for config in untold:
            key = config.trial_key(SCREENING)
            for epoch in pruner.decisions() if key in known else []:
                undecided = epoch == known[key].epoch and known[key].state not in DECIDED  # it comes here yet
                score = self.ledger.report(key, epoch).get(self.monitor) if epoch <= known[key].epoch else None
                if score is not None and not undecided:
                    pruner.goes_on(key, epoch, self.sign * score)
