"""Whether the processes of trials still answer: one that is stopped runs no watchdog of its own."""

from __future__ import annotations

from collections.abc import Callable

from study.running.watch import Watch

LOOK_EVERY_S = 2.0


class HostWatch(Watch):
    """Inside it, `end_silent` is called now and then on a thread of its own, as Tune's waits for them."""

    def __init__(self, end_silent: Callable[[], None]) -> None:
        super().__init__("host-watch")
        self._end_silent = end_silent

    def _look(self) -> None:
        while not self._done.wait(LOOK_EVERY_S):
            self._end_silent()
