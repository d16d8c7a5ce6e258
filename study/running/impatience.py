"""Whether the user asked twice: then a launch leaves, whatever Ray does."""

from __future__ import annotations

from collections.abc import Callable

from study.running.stop import StopRequest
from study.running.watch import Watch

LOOK_EVERY_S = 0.2
GRACE_S = 4.0


class Impatience(Watch):
    """Inside it, a user who insists on the end gets it within twice `GRACE_S`, however deaf the main thread is.

    That is given `GRACE_S` to come back from Ray; then `free` is called, which ends what it may wait for, and after as
    long again `leave`, on the watch's own thread: it must end the program.
    """

    def __init__(self, stop: StopRequest, free: Callable[[], None], leave: Callable[[], None]) -> None:
        super().__init__("impatience")
        self._stop, self._free, self._leave = stop, free, leave

    def _look(self) -> None:
        while not self._stop.insisted:
            if self._done.wait(LOOK_EVERY_S):
                return
        if self._done.wait(GRACE_S):
            return
        self._free()
        if not self._done.wait(GRACE_S):
            self._leave()
