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
    """The state of one cell: its proposer, the configs it has, and the epochs that screening them took.

    `recalled` counts those of earlier launches that its proposer, one that learns, proposes again before any other.
    """

    cell: Cell
    proposer: Proposer
    configs: list[Config] = field(default_factory=list)
    spent: int = 0
    recalled: int = 0
    waiting: dict[str, Config] = field(default_factory=dict)  # whose proposer is told the mean of their repeats

    @property
    def foresees(self) -> bool:
        """Whether its next config depends on no result of this launch."""
        return self.proposer.foreseeable or len(self.configs) < self.recalled

    def affords(self, running: int) -> bool:
        """Whether its budget allows another config, whatever becomes of the `running` ones."""
        return self.holds(self.spent + running * self.cell.most_epochs)

    def holds(self, epochs: int) -> bool:
        """Whether its budget allows another config beside so many epochs."""
        budget = self.cell.spec.search.epochs
        return budget is None or epochs + self.cell.most_epochs <= budget


class Agenda:
    """Hands out trials until nothing is missing. Trials that ended before are told to the proposers, not run again."""

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self.plan, self.ledger, self.phase = plan, ledger, SEARCH
        self.repeats = plan.spec.search.repeats
        self.scheduler = scheduler_text(plan.spec)
        self.known: dict[str, TrialRecord] = ledger.trials()
        self.running: dict[str, Todo] = {}
        self.ended: dict[str, str] = {}
        self.scores: dict[str, float | None] = {}
        self.epochs = {key: trial.epoch for key, trial in self.known.items()}
        self.at_most = plan.num_trials  # how many trials are still to come, those that run among them
        self._soon: deque[Todo] = deque()  # repeats that a proposer waits for
        self._ahead: deque[Todo] = deque()
        self._sharing: dict[str, list[tuple[CellAgenda, Config]]] = {}
        self.record = make_record(plan.spec.search, ledger.path.parent)
        self.cells = [CellAgenda(cell, cell.proposer(self.record)) for cell in plan.cells]
        self._recall()
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

    def configs(self, cell: Cell) -> list[Config]:
        """The configs of a cell that are known so far."""
        return self._agenda_of(cell).configs

    # -- inside ---------------------------------------------------------------------------------------------------

    def _recall(self) -> None:
        by_key = {agenda.cell.key: agenda for agenda in self.cells}
        for cell_key, _, _, params in self.ledger.configs(all_scopes=True):
            if cell_key in by_key:
                by_key[cell_key].recalled += by_key[cell_key].proposer.recall(params)

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
            epochs = 0
            while agenda.foresees and agenda.holds(epochs) and (config := self._propose(agenda)):
                key = config.trial_key(SCREENING)
                epochs += agenda.cell.most_epochs if self._is_missing(key) else self.epochs[key]
        configs = [config for agenda in self.cells for config in agenda.configs]
        cells = ((agenda.cell.key, cell_facts(agenda.cell)) for agenda in self.cells)
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
                while not agenda.affords(running := self._screening_now(agenda)):
                    if not running:
                        break
                    yield None
                proposed = self._propose(agenda) if agenda.affords(running) else None
                if proposed is None:
                    self.at_most -= (agenda.cell.num_configs - len(agenda.configs)) * self.repeats
                    return
                config = proposed
                self.ledger.record_configs([_row(config)])
                self._record_screening([config])
            position += 1
            key = config.trial_key(SCREENING)
            if self._is_missing(key):
                yield Todo(key, config, SCREENING, screening=True)
            elif key in self.running:  # the same trial, asked for by another cell
                self._sharing.setdefault(key, []).append((agenda, config))
            else:
                self._screened(agenda, config, self._state(key), self._score(key), self.epochs.get(key, 0))

    def _screening_now(self, agenda: CellAgenda) -> int:
        shared = sum(other is agenda for sharing in self._sharing.values() for other, _ in sharing)
        return shared + sum(todo.screening and todo.cell is agenda.cell for todo in self.running.values())

    def _screened(self, agenda: CellAgenda, config: Config, state: str, score: float | None, epochs: int) -> None:
        agenda.spent += epochs
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
        if key in self.running or key in self.ended:
            return False
        state = self._state(key)
        if state == states.STOPPED_EARLY:
            return self.known[key].stopped_under != self.scheduler
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
