"""How fast the trials of a launch train."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable

LEAST_S = 5.0  # of training before anything is foretold


class Pace:
    """Seconds per epoch since the first epoch came, of all trials together while any has a worker.

    Trials that have one share the time equally. The shares of those that failed are left out, with their epochs: they
    foretell nothing of the trials to come.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._at, self._begun = now, now(), False
        self._running: set[str] = set()
        self._spent: defaultdict[str, float] = defaultdict(float)  # seconds, by trial
        self._epochs: Counter[str] = Counter()
        self._kept_s = 0.0
        self._kept = 0

    def started(self, key: str) -> None:
        """A trial has gone to a worker."""
        self._pass()
        self._running.add(key)

    def trained(self, key: str, epochs: int) -> None:
        """A trial has so many more epochs."""
        self._pass()
        if self._begun:
            self._epochs[key] += epochs
            self._kept += epochs
        elif epochs:  # what came before, of starting and warming up, comes once
            self._begun = True

    def left(self, key: str, *, failed: bool = False) -> None:
        """A trial has no worker any more."""
        self._pass()
        self._running.discard(key)
        if failed:
            self._kept_s -= self._spent[key]
            self._kept -= self._epochs[key]

    def seconds(self, epochs: int) -> float | None:
        """How long so many epochs take; None where that cannot be told yet."""
        kept_s = self._kept_s + (self._now() - self._at if self._begun and self._running else 0.0)
        return kept_s / self._kept * epochs if kept_s >= LEAST_S and self._kept else None

    def _pass(self) -> None:
        now = self._now()
        passed, self._at = now - self._at, now
        if self._begun and self._running:
            self._kept_s += passed
            for key in self._running:
                self._spent[key] += passed / len(self._running)
