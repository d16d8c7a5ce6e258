"""Whether the hosts of trials still answer: a process that is stopped runs no watchdog of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

LOOK_EVERY_S = 2.0


class HostWatch:
    """Inside it, `end_silent` is called now and then on a thread of its own, as Tune's waits for the hosts."""

    def __init__(self, end_silent: Callable[[], None]) -> None:
        self._end_silent, self._done = end_silent, threading.Event()
        self._thread = threading.Thread(target=self._look, name="host-watch", daemon=True)

    def __enter__(self) -> HostWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(LOOK_EVERY_S):
            self._end_silent()
