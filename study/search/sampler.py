"""Optuna's samplers behind ask and tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from study.search import Params
from study.search.cell_study import CellStudy, identity
from study.search.random import RandomProposer
from study.search.record import Part
from study.search.translate import OptunaSpace

T = TypeVar("T")
ATTEMPTS = 20  # draws in search of a config that was not drawn before


class SamplerProposer:
    """`size` distinct configs from an Optuna sampler: `quasi_random` (Sobol), `tpe`, `gp` or `cma_es`.

    A sampler that comes back to the same points again and again, as TPE does in a small finite space once it knows the
    good ones, is helped out by a random draw. With a `part` of the study's record it goes on from what it was told in
    earlier launches; where a call fails on what that holds, the record is begun anew, with all that this launch knows.
    """

    def __init__(self, name: str, space: dict[str, Any], size: int, seed: int, part: Part | None = None) -> None:
        self.size, self.foreseeable = size, name == "quasi_random"
        self._name, self._seed, self._part = name, seed, part
        self._space = OptunaSpace.of(space)
        self._recalled: dict[str, Params] = {}
        self._asked: dict[str, Params] = {}
        self._told: dict[str, tuple[float | None, int | None]] = {}
        self._learnt: list[tuple[Params, float, int | None, str]] = []
        self._elsewhere = RandomProposer(space, size + 1, seed)  # one more than asked for is one that is new
        self._begun_in: Any = None  # the storage that the record had then
        if part is None:
            self._begin()

    def ask(self) -> Params | None:
        return self._upon_record(self._ask)

    def recall(self, params: Params) -> bool:
        if self.foreseeable or self._space.searched(params) is None or identity(params) in self._recalled:
            return False
        self._recalled[identity(params)] = params
        return True

    def tell(self, params: Params, score: float | None, *, stopped_at: int | None = None) -> None:
        key = identity(params)
        if key in self._asked:
            self._upon_record(lambda: self._study.tell(self._trials[key], params, score, stopped_at))
            self._told[key] = (score, stopped_at)

    def learn(self, params: Params, score: float, source: str, *, stopped_at: int | None = None) -> bool:
        if self._space.searched(params) is None:
            return False
        self._upon_record(lambda: self._study.learn(params, score, stopped_at, source))
        self._learnt.append((params, score, stopped_at, source))
        return True

    def _ask(self) -> Params | None:
        left = len(self._asked) < self.size
        while left and self._recalled:
            key, params = next(iter(self._recalled.items()))
            if key not in self._asked:
                return self._hand_out(self._study.enter(params), params)
            del self._recalled[key]
        self._study.forget()
        if not left:
            return None
        for _ in range(ATTEMPTS):
            trial, params = self._study.ask()
            if identity(params) not in self._asked:
                return self._hand_out(trial, params)
            self._study.repeated(trial)
        while (drawn := self._elsewhere.ask()) is not None:
            if identity(drawn) not in self._asked:
                self._recalled[identity(drawn)] = drawn
                return self._ask()
        return None

    def _hand_out(self, trial: int, params: Params) -> Params:
        self._trials[identity(params)], self._asked[identity(params)] = trial, params
        return params

    def _begin(self) -> None:
        """Begin the Optuna study, or begin it anew, with what this launch has asked for, told and learnt so far."""
        self._study = CellStudy(self._name, self._space, self._seed, self._part)
        self._trials = {key: self._study.enter(params) for key, params in self._asked.items()}
        for lesson in self._learnt:
            self._study.learn(*lesson)
        for key, told in self._told.items():
            self._study.tell(self._trials[key], self._asked[key], *told)

    def _upon_record(self, call: Callable[[], T]) -> T:
        """What a call gives that needs the record, on a new one where what this one holds makes it fail."""
        if self._part is None:
            return call()
        record = self._part.record
        try:
            if self._begun_in is not record.storage:  # also where another cell's proposer had it begun anew
                self._begin()
                self._begun_in = record.storage
            return call()
        except OSError as problem:
            record.failed(problem)
            raise
        except Exception:  # whatever Optuna makes of what it never wrote
            if not record.renew():
                raise
            return self._upon_record(call)
