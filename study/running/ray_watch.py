"""Whether Ray's own processes on this machine are still alive: without them Tune waits for ever."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from study.running.stop import StopRequest
from study.running.watch import Watch

NAMES = ("raylet", "gcs_server")
LOOK_EVERY_S = 1.0
PATIENCE_S = 5.0


class RayWatch(Watch):
    """Inside it, the death of a child process that Ray needs is a KeyboardInterrupt; `died` then names the process.

    Where the main thread does not come back from Ray, `abandon` is called with that name on the watch's own thread: it
    must end the program. SIGTERM to a whole process group, as service managers send it, takes Ray's processes too.
    """

    def __init__(self, stop: StopRequest, abandon: Callable[[str], None]) -> None:
        super().__init__("ray-watch")
        self._stop, self._abandon = stop, abandon
        self.died: str | None = None

    def __enter__(self) -> None:
        self._processes = [(p, p.name()) for p in psutil.Process().children() if p.name() in NAMES]
        super().__enter__()

    def _look(self) -> None:
        while self.died is None and not self._done.wait(LOOK_EVERY_S):
            self.died = next((name for process, name in self._processes if not _alive(process)), None)
        if self.died is not None:
            self._stop.heed()
            self._stop.at_once()
            if not self._done.wait(PATIENCE_S):  # Ray waits, deaf to signals, for a process that is gone
                self._abandon(self.died)


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
