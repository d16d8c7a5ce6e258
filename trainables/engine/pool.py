"""Trials of one signature in one array: who trains the next epoch, who waits, what becomes of a lane that breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from trainables.data.task import TaskData
from trainables.engine.lane import Lane, LaneState, Metrics
from trainables.engine.lanes import LaneArray
from trainables.engine.room import Room
from trainables.engine.width import Width

if TYPE_CHECKING:
    from trainables.engine.host import LaneHost

HOLD_SHARE, HOLD_AT_LEAST_S, HOLD_AT_MOST_S = 0.1, 0.02, 1.0

Outcome = Metrics | Exception


class SharedPlace:
    """A lane among others. Its trial lives in a thread of its own, the array in that of its host."""

    def __init__(self, host: LaneHost, pool: Pool, lane: Lane, state: LaneState | None) -> None:
        self.host, self.pool, self.lane = host, pool, lane
        self.kept = state or LaneState()  # what it is while it has no seat
        self.seated = self.wants = self.left = False
        self.turn = 0  # the order in which places asked for an epoch
        self.news = threading.Event()
        self.outcome: Outcome = {}
        self.notes: tuple[str, ...] = ()

    @property
    def state(self) -> LaneState:
        return self.pool.state_of(self)

    @property
    def array(self) -> LaneArray:
        return self.pool.array

    def advance(self, given_up: Callable[[], bool]) -> Metrics:
        return self.host.advance(self, given_up)

    def save(self) -> LaneState:
        return self.pool.save(self)

    def network(self, which: Literal["best", "last"]) -> nn.Module:
        state = self.save()
        return self.array.network_of(state.best if which == "best" else state.last)

    def warnings(self) -> Sequence[str]:
        return (*self.pool.said_of(self), *self.notes)

    def leave(self) -> None:
        self.host.leave(self)


class Pool:
    """An array and the places of the trials that want to train in it.

    A place has a seat while its lane is in the array. A lane that has not asked for its next epoch when the others
    have loses its seat after a tenth of the last epoch's time, at least 20 ms and at most 1 s: no lane holds the others
    for longer. What it is goes with it, and it sits down again when it asks. `alone` is the key of the only trial that
    may enter.
    """

    def __init__(
        self,
        data: TaskData,
        trial: Mapping[str, Any],
        device: str,
        lane: Lane,
        width: Width,
        room: Room,
        alone: str | None = None,
    ) -> None:
        self.array = LaneArray(data, trial["model"], trial["training"], device, lane.modules)
        self.places: list[SharedPlace] = []
        self.width, self.room, self.alone = width, room, alone
        # Of the processor on the CPU, so that what else the machine does is not mistaken for the width's price.
        self.clock = time.process_time if self.array.device.type == "cpu" else time.perf_counter
        self.lock = threading.Lock()  # of seats; not held while an epoch is trained
        self.hold_until = 0.0
        self.lonely = ""  # why its networks cannot train beside one another
        self.problem: Exception | None = None  # why the array cannot be used any more

    def place(self, host: LaneHost, lane: Lane, state: LaneState | None) -> SharedPlace:
        """A place more."""
        place = SharedPlace(host, self, lane, state)
        with self.lock:
            self.places.append(place)
        return place

    @property
    def is_wanted(self) -> bool:
        """Whether a place in it was not left."""
        return any(not place.left for place in self.places)

    # -- for the threads of trials ----------------------------------------------------------------------------------

    def state_of(self, place: SharedPlace) -> LaneState:
        """Epochs, history and best epoch of a place as they are."""
        with self.lock:
            return self.array.states[self._row(place)] if place.seated else place.kept

    def save(self, place: SharedPlace) -> LaneState:
        """A copy of a lane's state on the CPU."""
        with self.lock:
            return self.array.save(place.lane.key) if place.seated else place.kept

    def said_of(self, place: SharedPlace) -> Sequence[str]:
        """What a lane's loss has to say."""
        with self.lock:
            return self.array.warnings(place.lane.key) if place.seated else ()

    # -- for the host's thread --------------------------------------------------------------------------------------

    def due(self, now: float) -> float:
        """In how many seconds the next epoch may begin: 0 for now, infinity where nobody wants one."""
        wanting = [place for place in self.places if place.wants]
        if not wanting:
            return float("inf")
        busy = any(place.seated and not place.wants and not place.left for place in self.places)
        return max(0.0, self.hold_until - now) if busy else 0.0

    def train(self) -> list[SharedPlace]:
        """Train an epoch of as many lanes as the width allows, those with a seat first; the places that have news."""
        wanting = sorted((p for p in self.places if p.wants), key=lambda p: (not p.seated, p.turn))
        chosen = wanting[: 1 if self.lonely else self.width.now(len(wanting))]
        probing = self.width.searching
        if probing:
            self.room.begin(empty=not self.array.lanes)
        with self.lock:
            news = self._seat(chosen)
        chosen = [place for place in chosen if place.seated]
        if not chosen:
            return news
        started, used = time.perf_counter(), self.clock()
        try:
            reports = self.array.advance()
        except Exception as problem:
            news += self._broken(chosen, problem)
        else:
            seconds = time.perf_counter() - started
            self.width.took(len(chosen), self.clock() - used)
            if probing:
                self.width.fits(self.room.lanes(len(chosen)))
            self.hold_until = time.monotonic() + min(max(HOLD_SHARE * seconds, HOLD_AT_LEAST_S), HOLD_AT_MOST_S)
            for place in chosen:
                place.outcome = reports[place.lane.key]
            news += chosen
        return news

    def give_up(self, problem: Exception) -> list[SharedPlace]:
        """The array cannot be used any more: all places that wait hear of it, the others when they ask."""
        self.problem = problem
        waiting = [place for place in self.places if place.wants]
        for place in waiting:
            place.outcome = problem
        return waiting

    def _seat(self, chosen: Sequence[SharedPlace]) -> list[SharedPlace]:
        """Give the chosen places seats and nobody else; those that could not sit down."""
        for place in self.places:
            if place.seated and place not in chosen:
                self._unseat(place)
        self.places = [place for place in self.places if not place.left]
        broken = []
        for place in chosen:
            if not place.seated:
                try:
                    self.array.add(place.lane, place.kept)
                except Exception as problem:
                    if self.array.lanes and is_out_of_memory(problem):
                        self._too_many(len(self.array.lanes) + 1)
                        break  # the others wait until a lane ends
                    place.outcome = problem
                    broken.append(place)
                else:
                    place.seated = True
        return broken

    def _unseat(self, place: SharedPlace) -> None:
        if not place.left:
            place.kept = self.array.save(place.lane.key)
        self.array.remove(place.lane.key)
        place.seated = False

    def _broken(self, chosen: Sequence[SharedPlace], problem: Exception) -> list[SharedPlace]:
        """After an epoch that broke: who is to hear of it. The others' lanes are as they were, and still want it."""
        if len(chosen) == 1:
            chosen[0].outcome = problem
            return list(chosen)
        if is_out_of_memory(problem):
            self._too_many(len(chosen))
            return []
        return self._one_by_one(chosen, problem)

    def _too_many(self, lanes: int) -> None:
        self.width.too_many(lanes)
        if self.array.device.type == "cuda":
            torch.cuda.empty_cache()

    def _one_by_one(self, chosen: Sequence[SharedPlace], problem: Exception) -> list[SharedPlace]:
        """Find the lanes that break an epoch by training each alone; where none does, they cannot be stacked."""
        with self.lock:
            for place in chosen:
                self._unseat(place)
        for place in chosen:
            with self.lock:
                self.array.add(place.lane, place.kept)
                place.seated = True
            try:
                place.outcome = self.array.advance()[place.lane.key]
            except Exception as own:
                place.outcome = own
            with self.lock:
                self._unseat(place)
        if not any(isinstance(place.outcome, Exception) for place in chosen):
            self.lonely = f"trains alone, because its network cannot be stacked: {problem}"
            for place in self.places:
                place.notes = (*place.notes, self.lonely)
        return list(chosen)

    def _row(self, place: SharedPlace) -> int:
        return self.array.keys.index(place.lane.key)


def is_out_of_memory(problem: Exception) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    return isinstance(problem, torch.cuda.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(problem)
