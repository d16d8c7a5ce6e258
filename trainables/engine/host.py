"""Arrays of lanes for trials that live in other threads: one thread trains them all, epoch by epoch."""

from __future__ import annotations

import itertools
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch

from trainables.data.task import TaskData
from trainables.engine.lane import Lane, LaneState, Metrics
from trainables.engine.pool import Pool, SharedPlace
from trainables.engine.room import Room, memory_of
from trainables.engine.width import Width
from trainables.trial import Trial
from trainables.watchdog import Watchdog

LOOK_AGAIN_S = 0.2  # how often a trial that waits for its turn asks whether it is given up


class LaneHost:
    """Trains the lanes of many trials on one device; trials of one signature as one array, several in turns.

    At most `lanes` of an array train at a time, with `found` as many of these as pay (`width.Width`) and fit into a
    `share` of the free memory (`room.Room`); further ones wait until a lane ends. A lane that breaks takes no other
    with it. A trial that enters `alone` has its key in the file `marker` while it trains. The `watchdog` looks after
    each epoch. What is left is forgotten once its array trains on, or has no lane any more.
    """

    def __init__(
        self,
        lanes: int,
        *,
        found: bool = False,
        device: str = "cpu",
        marker: Path | None = None,
        share: float = 1.0,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.lanes, self.found, self.device, self.marker = lanes, found, device, marker
        self.memory, self.share = memory_of(device), share
        self.watched: Callable[[], AbstractContextManager[None]] = watchdog.watching if watchdog else nullcontext
        self.pools: dict[tuple[str, ...], Pool] = {}
        self.lock = threading.Lock()
        self.wished = threading.Condition(self.lock)
        self.turns = itertools.count()
        self.training: frozenset[SharedPlace] = frozenset()
        self.closed = False
        self.thread = threading.Thread(target=self._run, name="lanes", daemon=True)
        self.thread.start()

    def enter(
        self, lane: Lane, state: LaneState | None, data: TaskData, trial: Trial, *, alone: bool = False
    ) -> SharedPlace:
        """A place for a lane, from `state` on; `alone` in an array of its own, for one that may break its process.

        Raises ValueError for a network that cannot be made.
        """
        signature = (*signature_of(trial, data, lane), *([lane.key] if alone else []))
        with self.lock:
            self.pools = {key: pool for key, pool in self.pools.items() if pool.is_wanted and not pool.problem}
            if signature not in self.pools:
                width, room = Width(self.lanes, found=self.found), Room(self.memory, self.share)
                self.pools[signature] = Pool(data, trial, self.device, lane, width, room, lane.key if alone else None)
            pool = self.pools[signature]
            return pool.place(self, lane, state)

    def advance(self, place: SharedPlace, given_up: Callable[[], bool]) -> Metrics:
        """Wait until the next epoch of a place is trained; its metrics, none where it was given up before."""
        with self.lock:
            if place.left:
                return {}
            if place.pool.problem is not None:
                raise place.pool.problem
            place.news.clear()
            place.wants, place.outcome, place.turn = True, {}, next(self.turns)
            self.wished.notify()
        while not place.news.wait(LOOK_AGAIN_S):
            stop = given_up()
            with self.lock:
                if stop and place.wants and place not in self.training:
                    place.wants = False
                    return {}
        if isinstance(place.outcome, Exception):
            raise place.outcome
        return place.outcome

    def leave(self, place: SharedPlace) -> None:
        """A place is given up for good; what its lane became stays with it, but for an epoch under way."""
        with self.lock:
            if not place.left:
                place.left = True
                if place not in self.training:
                    place.kept = place.pool.save(place)
                    place.wants = False
                    place.news.set()
            self.wished.notify()

    def close(self) -> None:
        """End the thread after the epoch that it trains."""
        with self.lock:
            self.closed = True
            self.wished.notify()
        self.thread.join()

    def _run(self) -> None:
        torch.set_num_threads(torch.get_num_threads())  # a new thread has OpenMP's own number, not torch's
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Train an epoch of the next pool; False at the end. While none is due, no variable here holds what was."""
        pool = self._next()
        if pool is None:
            return False
        try:
            with self._marked(pool), self.watched():
                news = pool.train()
        except Exception as problem:  # the array itself is broken: whoever waits for it has to start again
            news = pool.give_up(problem)
        with self.lock:
            self.training = frozenset()
            for place in news:
                place.wants = False
                place.news.set()
        return True

    @contextmanager
    def _marked(self, pool: Pool) -> Iterator[None]:
        if self.marker is None or pool.alone is None:
            yield
            return
        self.marker.write_text(pool.alone, encoding="utf-8")
        try:
            yield
        finally:
            self.marker.unlink(missing_ok=True)

    def _next(self) -> Pool | None:
        """The next pool in turn of which an epoch may begin, once there is one; None at the end."""
        with self.lock:
            while not self.closed:
                now = time.monotonic()
                self.pools = {signature: pool for signature, pool in self.pools.items() if pool.is_wanted}
                due = {signature: pool.due(now) for signature, pool in self.pools.items()}
                ready = [signature for signature, wait in due.items() if wait <= 0]
                if ready:
                    pool = self.pools.pop(ready[0])
                    self.pools[ready[0]] = pool  # the others come first next time
                    self.training = frozenset(place for place in pool.places if place.wants)
                    return pool
                wait = min(due.values(), default=math.inf)
                self.wished.wait(None if math.isinf(wait) else wait)
            return None


def signature_of(trial: Trial, data: TaskData, lane: Lane) -> tuple[str, ...]:
    """What trials have in common whose lanes train in one array."""
    training = trial["training"]
    shared = {name: training.get(name) for name in ("batch_size", "precision", "normalise")}
    kind = {name: training["optimizer"].get(name) for name in ("name", "nesterov")}
    described = [trial["model"], trial.get("model_code", ""), shared, kind, lane.modules]
    return (data.pool.digest, data.split_digest, json.dumps(described, sort_keys=True))
