"""Trials' own processes that a signal or a debugger has stopped: they run no watchdog."""

from __future__ import annotations

import time

import psutil

WORKER = "Trainable"  # in what Ray calls them: `ray::ResourceTrainable.train()`
STOPPED = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
LONGEST_LOOK_S = 10.0  # that counts between two looks: whoever looks may have been stopped as well


class StoppedWorkers:
    """For how long processes of trials, below this one, have been stopped, as seen from look to look."""

    def __init__(self) -> None:
        self._seconds: dict[psutil.Process, float] = {}
        self._looked_at = time.monotonic()

    def look(self) -> dict[psutil.Process, float]:
        """Seconds since each that is stopped now was first seen so, and at every look since."""
        now = time.monotonic()
        passed, self._looked_at = min(now - self._looked_at, LONGEST_LOOK_S), now
        stopped = [process for process in psutil.Process().children(recursive=True) if _is_stopped(process)]
        self._seconds = {
            process: self._seconds[process] + passed if process in self._seconds else 0.0 for process in stopped
        }
        return self._seconds


def _is_stopped(process: psutil.Process) -> bool:
    try:
        return process.status() in STOPPED and WORKER in "".join(process.cmdline()[:1])
    except psutil.Error:  # it is gone
        return False
