"""What is still to be done: the next trial to run, given the plan and what the ledger knows.

Each config is screened on repeat 0; what survives gets the remaining repeats. Cells take turns, and screening comes
before repeats, so that early stopping soon has something to compare; but a proposer that learns is told the mean of a
config's repeats, which then come at once.
"""

from __future__ import annotations

import json
import statistics
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from study.planning.allowance import Allowance
from study.planning.plan import Cell, Config, Plan
from study.planning.warm_start import learn_from
from study.records import states
from study.records.ledger import Ledger
from study.records.ledger_reader import TrialRecord
from study.records.paths import StudyPaths
from study.search import Params, Proposer, make_record
from study.spec import StudySpec
from study.spec.spaces import Distribution
from trainables.trial import SEARCH

SCREENING = 0  # the repeat on which configs are screened


@dataclass(frozen=True)
class Todo:
    """A trial that is to run. `config` is one of a search's or one of its winners."""

    key: str
    config: Any
    repeat: int
    screening: bool = False  # whether it decides if its config gets its other repeats

    @property
    def cell(self) -> Any:
        """The cell it belongs to."""
        return self.config.cell


@dataclass
class CellAgenda:
    """The state of one cell: its proposer, the configs it has, and its budget of epochs where it has one.

    `recalled` counts those of earlier launches that its proposer, one that learns, proposes again before any other.
    """

    cell: Cell
    proposer: Proposer
    configs: list[Config] = field(default_factory=list)
    allowance: Allowance | None = None
    recalled: int = 0
    waiting: dict[str, Config] = field(default_factory=dict)  # whose proposer is told the mean of their repeats

    @property
    def foresees(self) -> bool:
        """Whether its next config depends on no result of this launch, and is paid for."""
        known = self.proposer.foreseeable or len(self.configs) < self.recalled
        return known and (self.allowance is None or len(self.configs) < self.allowance.begun)

    def affords_another(self) -> bool:
        """Whether its budget allows another config now."""
        allowance = self.allowance
        return allowance is None or len(self.configs) < allowance.begun or allowance.affords_another()


class Agenda:
    """Hands out trials until nothing is missing. Trials that ended before are told to the proposers, not run again."""

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self.plan, self.ledger, self.phase = plan, ledger, SEARCH
        self.repeats = plan.spec.search.repeats
        self.scheduler, self.budget = scheduler_text(plan.spec), budget_text(plan.spec)
        self.known: dict[str, TrialRecord] = ledger.trials()
        self.running: dict[str, Todo] = {}
        self.ended: dict[str, str] = {}
        self.scores: dict[str, float | None] = {}
        self.epochs = {key: trial.epoch for key, trial in self.known.items()}
        self.at_most = plan.num_trials  # how many trials are still to come, those that run among them
        self._soon: deque[Todo] = deque()  # repeats that a proposer waits for
        self._ahead: deque[Todo] = deque()
        self._sharing: dict[str, list[tuple[CellAgenda, Config]]] = {}
        self._given_up: set[str] = set()  # trials that failed, and whose budget does not pay for another attempt
        self.record = make_record(plan.spec.search, ledger.path.parent)
        self.cells = [CellAgenda(cell, cell.proposer(self.record)) for cell in plan.cells]
        self._recall()
        self._charge()
        self._warm_up()
        self._turns: deque[Iterator[Todo | None]] = deque(self._screening(agenda) for agenda in self.cells)
        self._foresee()

    def next(self) -> Todo | None:
        """The next trial to run; None where nothing can be run now (see `finished`)."""
        return self._repeat(self._soon) or self._screen() or self._repeat(self._ahead)

    @property
    def finished(self) -> bool:
        """Whether nothing is missing and nothing is running."""
        return not (self.running or self._turns or self._soon or self._ahead)

    def end(self, key: str, state: str, score: float | None, epochs: int) -> None:
        """A trial that was handed out has ended in `state` after so many epochs; `score` is its selection metric."""
        todo = self.running.pop(key)
        self.ended[key], self.scores[key], self.epochs[key] = state, score, epochs
        if not todo.screening:
            self.at_most -= 1
            for agenda in self.cells:
                self._tell_averaged(agenda, todo.config.key)
        elif state != states.INTERRUPTED:
            mine = (self._agenda_of(todo.cell), todo.config)
            for agenda, config in [mine, *self._sharing.pop(key, [])]:
                self._screened(agenda, config, state, score, epochs)

    def promote(self, todo: Todo, epoch: int) -> bool:
        """Whether the budget lets a trial go on from the scheduler's rung at `epoch`, which it then is charged for."""
        sharing = [self._agenda_of(todo.cell), *(agenda for agenda, _ in self._sharing.get(todo.key, []))]
        allowances = [agenda.allowance for agenda in sharing if agenda.allowance is not None]
        if not all(allowance.promotes(todo.key, epoch) for allowance in allowances):
            return False
        for allowance in allowances:
            allowance.promote(todo.key, epoch)
        return True

    def configs(self, cell: Cell) -> list[Config]:
        """The configs of a cell that are known so far."""
        return self._agenda_of(cell).configs

    # -- inside ---------------------------------------------------------------------------------------------------

    def _recall(self) -> None:
        by_key = {agenda.cell.key: agenda for agenda in self.cells}
        for cell_key, _, _, params in self.ledger.configs(all_scopes=True):
            if cell_key in by_key:
                by_key[cell_key].recalled += by_key[cell_key].proposer.recall(params)

    def _charge(self) -> None:
        """Charge each cell's budget for what earlier launches have begun, in the order in which it is asked for."""
        budget = self.plan.spec.search.epochs
        for agenda in self.cells if budget is not None else []:
            allowance = Allowance(budget or 0, self.plan.pruner(agenda.cell).decisions(), agenda.cell.most_epochs)
            agenda.allowance = allowance
            failed = []
            for config in self._begun(agenda):
                key, trial = config.trial_key(SCREENING), self.known[config.trial_key(SCREENING)]
                allowance.end(key, 0, completed=trial.state == states.COMPLETED)
                if trial.state == states.FAILED:
                    failed.append(config)
                elif self._is_missing(key):
                    self._begin(agenda, config, trial.epoch)
                if key not in allowance.lengths:
                    allowance.charged[key] = trial.epoch
                if allowance.left < 0:  # it was larger once
                    allowance.forget(key)
                    break
            allowance.begun = len(allowance.charged)
            for config in failed:  # again, where what the others have left pays for it
                key = config.trial_key(SCREENING)
                if key in allowance.charged:
                    self._begin(agenda, config, self.known[key].epoch)
                if allowance.left < 0:
                    allowance.end(key, self.known[key].epoch, completed=False)
                    self._given_up.add(key)

    def _begun(self, agenda: CellAgenda) -> Iterator[Config]:
        """The configs of earlier launches that the cell's proposer proposes first."""
        cell = agenda.cell
        if agenda.proposer.foreseeable:
            proposer = cell.proposer()
            proposed: Iterator[Any] = iter(proposer.ask, None)
        else:
            proposed = (params for key, _, _, params in self.ledger.configs(all_scopes=True) if key == cell.key)
        for number, params in enumerate(proposed):
            config = Config(cell, number, params)
            if config.trial_key(SCREENING) in self.known:
                yield config
            elif agenda.proposer.foreseeable:
                return

    def _facts(self, agenda: CellAgenda) -> dict[str, Any]:
        rung = {} if agenda.allowance is None else {"rung": agenda.allowance.rung}
        return cell_facts(agenda.cell) | rung

    def _warm_up(self) -> None:
        name = self.plan.spec.search.warm_start
        if name is not None:
            path = StudyPaths(self.ledger.path.parent.parent / name).ledger
            cells = [(agenda.cell, agenda.proposer) for agenda in self.cells]
            for sentence in learn_from(name, path, self.plan.spec, cells):
                self.ledger.record_event("warm start", sentence)

    def _screen(self) -> Todo | None:
        for _ in range(len(self._turns)):
            turn = self._turns.popleft()
            try:
                todo = next(turn)
            except StopIteration:
                continue
            self._turns.append(turn)
            if todo is not None:
                return self._start(todo)
        return None

    def _repeat(self, queue: deque[Todo]) -> Todo | None:
        while queue:
            todo = queue.popleft()
            if self._is_missing(todo.key):
                return self._start(todo)
            self.at_most -= 1
        return None

    def _foresee(self) -> None:
        """Propose what no result decides, so that a launch that ends at once has what is known already in scope."""
        for agenda in self.cells:
            while agenda.foresees and self._propose(agenda):
                pass
        configs = [config for agenda in self.cells for config in agenda.configs]
        cells = ((agenda.cell.key, self._facts(agenda)) for agenda in self.cells)
        self.ledger.record_cells(cells, map(_row, configs))
        self._record_screening(configs)

    def _propose(self, agenda: CellAgenda) -> Config | None:
        params = agenda.proposer.ask()
        if params is None:
            return None
        config = Config(agenda.cell, len(agenda.configs), params)
        agenda.configs.append(config)
        return config

    def _record_screening(self, configs: list[Config]) -> None:
        self.ledger.record_trials((c.trial_key(SCREENING), c.key, SCREENING, c.trial(SCREENING)) for c in configs)

    def _screening(self, agenda: CellAgenda) -> Iterator[Todo | None]:
        """The screening trials of one cell that are missing, one at a time, asking the proposer as late as it can.

        None where its budget may or may not allow another, which those that run will tell.
        """
        position = 0
        while True:
            if position < len(agenda.configs):
                config = agenda.configs[position]
            else:
                while not agenda.affords_another() and self._screening_now(agenda):
                    yield None
                proposed = self._propose(agenda) if agenda.affords_another() else None
                if proposed is None:
                    self.at_most -= (agenda.cell.num_configs - len(agenda.configs)) * self.repeats
                    return
                config = proposed
                self.ledger.record_configs([_row(config)])
                self._record_screening([config])
            position += 1
            key = config.trial_key(SCREENING)
            if self._is_missing(key):
                self._begin(agenda, config, self.epochs.get(key, 0))
                yield Todo(key, config, SCREENING, screening=True)
            elif key in self.running:  # the same trial, asked for by another cell
                owner = self._agenda_of(self.running[key].cell).allowance
                self._begin(agenda, config, owner.charged[key] if owner else 0)
                self._sharing.setdefault(key, []).append((agenda, config))
            else:
                self._screened(agenda, config, self._state(key), self._score(key), self.epochs.get(key, 0))

    def _begin(self, agenda: CellAgenda, config: Config, epoch: int) -> None:
        if agenda.allowance is not None:
            length = config.trial(SCREENING)["training"]["epochs"]
            agenda.allowance.begin(config.trial_key(SCREENING), epoch, length)

    def _screening_now(self, agenda: CellAgenda) -> int:
        shared = sum(other is agenda for sharing in self._sharing.values() for other, _ in sharing)
        return shared + sum(todo.screening and todo.cell is agenda.cell for todo in self.running.values())

    def _screened(self, agenda: CellAgenda, config: Config, state: str, score: float | None, epochs: int) -> None:
        if agenda.allowance is not None:
            agenda.allowance.end(config.trial_key(SCREENING), epochs, completed=state == states.COMPLETED)
        repeats = [r for r in range(self.repeats) if r != SCREENING] if state == states.COMPLETED else []
        self.ledger.record_trials((config.trial_key(r), config.key, r, config.trial(r)) for r in repeats)
        missing = [Todo(key, config, r) for r in repeats if self._is_missing(key := config.trial_key(r))]
        self.at_most -= self.repeats - len(missing)
        if agenda.proposer.foreseeable:
            self._ahead.extend(missing)
        else:
            self._soon.extend(missing)
        if agenda.proposer.foreseeable or state != states.COMPLETED:
            self._tell(agenda, config, score, epochs if state == states.STOPPED_EARLY else None)
        else:
            agenda.waiting[config.key] = config
            self._tell_averaged(agenda, config.key)

    def _tell_averaged(self, agenda: CellAgenda, config_key: str) -> None:
        """Tell a proposer that learns of a config whose repeats have all ended; one that failed does not count."""
        config = agenda.waiting.get(config_key)
        if config is None:
            return
        keys = [config.trial_key(repeat) for repeat in range(self.repeats)]
        unknown = (states.INTERRUPTED, states.WAITING)  # the next launch goes on with them
        if not any(self._is_missing(key) or key in self.running or self._state(key) in unknown for key in keys):
            del agenda.waiting[config_key]
            scores = [score for key in keys if (score := self._score(key)) is not None]
            self._tell(agenda, config, statistics.fmean(scores) if scores else None)

    def _tell(self, agenda: CellAgenda, config: Config, score: float | None, stopped_at: int | None = None) -> None:
        told = None if score is None else self.plan.spec.select.sign * score
        agenda.proposer.tell(config.params, told, stopped_at=stopped_at)

    def _start(self, todo: Todo) -> Todo:
        self.running[todo.key] = todo
        return todo

    def _agenda_of(self, cell: Cell) -> CellAgenda:
        return next(agenda for agenda in self.cells if agenda.cell is cell)

    def _state(self, key: str) -> str:
        return self.ended.get(key) or (self.known[key].state if key in self.known else states.WAITING)

    def _score(self, key: str) -> float | None:
        if key in self.ended:
            return self.scores[key]
        record = self.known[key]
        if record.state not in (states.COMPLETED, states.STOPPED_EARLY):
            return None
        return record.best_score if self.plan.spec.select.epoch == "best" else record.last_score

    def _is_missing(self, key: str) -> bool:
        if key in self.running or key in self.ended or key in self._given_up:
            return False
        state = self._state(key)
        if state == states.STOPPED_EARLY:
            return self.known[key].stopped_under not in (self.scheduler, self.budget)
        return state not in (states.COMPLETED, states.DIVERGED)


def scheduler_text(spec: StudySpec) -> str:
    """The scheduler as it is noted with the trials that it stopped."""
    described = spec.scheduler.model_dump()
    if described.get("scope") == "cell":
        del described["scope"]  # as it was noted when there was no other
    return json.dumps(described, sort_keys=True)


def _row(config: Config) -> tuple[str, str, int, Params]:
    """A config as the ledger records it."""
    return config.cell.key, config.key, config.number, config.params


def budget_text(spec: StudySpec) -> str:
    """The budget of epochs as it is noted with the trials that ended because it was spent."""
    return json.dumps({"search.epochs": spec.search.epochs})


def cell_facts(cell: Cell) -> dict[str, Any]:
    """What tables and MLflow say about a cell."""
    task = cell.task
    return {
        "family": cell.family.family,
        "label": cell.name,
        "dataset": task.dataset.title,
        "noise_kind": task.noise.kind,
        "noise_rate": task.noise.rate,
        "noise": task.noise.name,
        "model": task.model_name,
        "task": task.title,
        "searched": [key.rpartition(".")[2] for key, value in cell.space.items() if isinstance(value, Distribution)],
        "mode": cell.spec.select.mode,
    }
