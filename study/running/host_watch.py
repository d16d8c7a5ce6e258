"""Whether the processes of trials still answer: one that is stopped runs no watchdog of its own."""

from __future__ import annotations

from collections.abc import Callable

from study.running.watch import Watch

LOOK_EVERY_S = 2.0


class HostWatch(Watch):
    """Inside it, `look` is called now and then on a thread of its own, as Tune's waits for them."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__("host-watch")
        self._call = look

    def _look(self) -> None:
        while not self._done.wait(LOOK_EVERY_S):
            self._call()
