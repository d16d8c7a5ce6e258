"""Whether what a launch stands on is still there: without it Tune waits for ever."""

from __future__ import annotations

from collections.abc import Callable

from study.running.stop import StopRequest
from study.running.watch import Watch

LOOK_EVERY_S = 1.0
PATIENCE_S = 5.0


class RayWatch(Watch):
    """Inside it, what `lost` says, as that a process which Ray needs died, is a KeyboardInterrupt; `died` then says it.

    First `free` ends what the main thread may wait for. Where that does not come back from Ray even so, `abandon` is
    called with what was lost on the watch's own thread: it must end the program. SIGTERM to a whole process group, as
    service managers send it, takes Ray's processes too.
    """

    def __init__(
        self,
        stop: StopRequest,
        lost: Callable[[], str | None],
        free: Callable[[], None],
        abandon: Callable[[str], None],
    ) -> None:
        super().__init__("ray-watch")
        self._stop, self._lost, self._free, self._abandon = stop, lost, free, abandon
        self.died: str | None = None

    def _look(self) -> None:
        while self.died is None and not self._done.wait(LOOK_EVERY_S):
            self.died = self._lost()
        if self.died is not None:
            self._free()
            self._stop.at_once()
            if not self._done.wait(PATIENCE_S):  # Ray waits, deaf to signals, for a process that is gone
                self._abandon(self.died)
