"""Whether the user asked twice: then a launch leaves, whatever Ray does."""

from __future__ import annotations

from collections.abc import Callable

from study.running.stop import StopRequest
from study.running.watch import Watch

LOOK_EVERY_S = 0.2
GRACE_S = 4.0


class Impatience(Watch):
    """Inside it, where the user insists on the end, the main thread has `GRACE_S` to come to it, as interrupted.

    Then `leave` is called on the watch's own thread, which no Ray makes deaf: it must end the program.
    """

    def __init__(self, stop: StopRequest, leave: Callable[[], None]) -> None:
        super().__init__("impatience")
        self._stop, self._leave = stop, leave

    def _look(self) -> None:
        while not self._stop.insisted:
            if self._done.wait(LOOK_EVERY_S):
                return
        if not self._done.wait(GRACE_S):
            self._leave()
