"""What is still to be done: the next trial to run, given the plan and what the ledger knows.

Each config is screened on repeat 0; what survives gets the remaining repeats. Cells take turns, and screening comes
before repeats, so that early stopping soon has something to compare.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from study import states
from study.ledger import Ledger, TrialRecord
from study.plan import Cell, Config, Plan
from study.search import Proposer
from study.spaces import Distribution
from study.spec import StudySpec
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
    """The state of one cell: its proposer, the configs it has, and what is queued."""

    cell: Cell
    proposer: Proposer
    configs: list[Config] = field(default_factory=list)


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
        self.at_most = plan.num_trials  # how many trials are still to come, those that run among them
        self._ahead: deque[Todo] = deque()
        self._sharing: dict[str, list[tuple[CellAgenda, Config]]] = {}
        self.cells = [CellAgenda(cell, cell.proposer()) for cell in plan.cells]
        for cell_key, _, _, params in ledger.configs(all_scopes=True):
            for agenda in self.cells:
                if agenda.cell.key == cell_key:
                    agenda.proposer.recall(params)
        self._turns: deque[Iterator[Todo]] = deque(self._screening(agenda) for agenda in self.cells)
        ledger.record_cells((cell.key, cell_facts(cell)) for cell in plan.cells)
        self._foresee()

    def next(self) -> Todo | None:
        """The next trial to run; None where nothing can be run now (see `finished`)."""
        while self._turns:
            turn = self._turns.popleft()
            todo = next(turn, None)
            if todo is not None:
                self._turns.append(turn)
                return self._start(todo)
        while self._ahead:
            todo = self._ahead.popleft()
            if self._is_missing(todo.key):
                return self._start(todo)
            self.at_most -= 1
        return None

    @property
    def finished(self) -> bool:
        """Whether nothing is missing and nothing is running."""
        return not self.running and not self._turns and not self._ahead

    def end(self, key: str, state: str, score: float | None) -> None:
        """A trial that was handed out has ended in `state`; `score` is its selection metric, more is better."""
        todo = self.running.pop(key)
        self.ended[key], self.scores[key] = state, score
        if not todo.screening:
            self.at_most -= 1
        elif state != states.INTERRUPTED:
            mine = (self._agenda_of(todo.cell), todo.config)
            for agenda, config in [mine, *self._sharing.pop(key, [])]:
                self._screened(agenda, config, state, score)

    def configs(self, cell: Cell) -> list[Config]:
        """The configs of a cell that are known so far."""
        return self._agenda_of(cell).configs

    # -- inside ---------------------------------------------------------------------------------------------------

    def _foresee(self) -> None:
        for agenda in self.cells:
            if agenda.proposer.foreseeable:
                while self._propose(agenda):
                    pass
        self._record([config for agenda in self.cells for config in agenda.configs])

    def _propose(self, agenda: CellAgenda) -> Config | None:
        params = agenda.proposer.ask()
        if params is None:
            return None
        config = Config(agenda.cell, len(agenda.configs), params)
        agenda.configs.append(config)
        return config

    def _record(self, configs: list[Config]) -> None:
        self.ledger.record_configs((c.cell.key, c.key, c.number, c.params) for c in configs)
        self.ledger.record_trials((c.trial_key(SCREENING), c.key, SCREENING, c.trial(SCREENING)) for c in configs)

    def _screening(self, agenda: CellAgenda) -> Iterator[Todo]:
        """The screening trials of one cell that are missing, one at a time, asking the proposer as late as it can."""
        position = 0
        while True:
            if position < len(agenda.configs):
                config = agenda.configs[position]
            elif (proposed := self._propose(agenda)) is not None:
                config = proposed
                self._record([config])
            else:
                return
            position += 1
            key = config.trial_key(SCREENING)
            if self._is_missing(key):
                yield Todo(key, config, SCREENING, screening=True)
            elif key in self.running:  # the same trial, asked for by another cell
                self._sharing.setdefault(key, []).append((agenda, config))
            else:
                score = self.scores[key] if key in self.ended else self._known_score(key)
                self._screened(agenda, config, self._state(key), score)

    def _screened(self, agenda: CellAgenda, config: Config, state: str, score: float | None) -> None:
        sign = 1 if self.plan.spec.select.mode == "max" else -1
        agenda.proposer.tell(
            config.params, None if score is None else sign * score, pruned=state == states.STOPPED_EARLY
        )
        repeats = [r for r in range(self.repeats) if r != SCREENING] if state == states.COMPLETED else []
        self.ledger.record_trials((config.trial_key(r), config.key, r, config.trial(r)) for r in repeats)
        missing = [Todo(key, config, r) for r in repeats if self._is_missing(key := config.trial_key(r))]
        self._ahead.extend(missing)
        self.at_most -= self.repeats - len(missing)

    def _start(self, todo: Todo) -> Todo:
        self.running[todo.key] = todo
        return todo

    def _agenda_of(self, cell: Cell) -> CellAgenda:
        return next(agenda for agenda in self.cells if agenda.cell is cell)

    def _state(self, key: str) -> str:
        return self.ended.get(key) or (self.known[key].state if key in self.known else states.WAITING)

    def _known_score(self, key: str) -> float | None:
        record = self.known[key]
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
    return json.dumps(spec.scheduler.model_dump(), sort_keys=True)


def cell_facts(cell: Cell) -> dict[str, Any]:
    """What tables and MLflow say about a cell."""
    task = cell.task
    return {
        "family": cell.family.family,
        "label": cell.name,
        "dataset": task.dataset.name,
        "noise_kind": task.noise_kind,
        "noise_rate": task.noise_rate,
        "noise": task.noise,
        "model": task.model_name,
        "task": task.title,
        "searched": [key.rpartition(".")[2] for key, value in cell.space.items() if isinstance(value, Distribution)],
        "mode": cell.spec.select.mode,
    }
