"""How a launch is asked to end."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 0.05  # after which an interrupt that Python could not raise comes again


class StopRequest:
    """Whether the user wants the launch to end, shared with the workers through a file."""

    def __init__(self, file: Path) -> None:
        self.file, self._armed = file, False
        self._heard = list(SIGNALS)
        self.at_once_asked = False
        self.timed_out = False
        self._numbers: int | None = None  # a pipe of those of signals, which no busy main thread keeps from us
        self._lock = threading.Lock()
        self._sent = 0  # signals, as far as the pipe was read; `_by_us` of them by this launch itself
        self._by_us = 0
        self._taken = False  # whether it was a signal that asked for the end

    def __bool__(self) -> bool:
        return self.file.exists()

    @property
    def asked(self) -> bool:
        """Whether the user wants the end, even where the main thread is deaf to signals and could not take them."""
        return bool(self) or self._times_asked() > 0

    @property
    def insisted(self) -> bool:
        """Whether the user wants it at once: asked twice, or once where it was to end anyway; as `asked`."""
        times = self._times_asked()
        return times > 1 or (times == 1 and bool(self) and not self._taken and not self._by_us)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """SIGINT, SIGTERM and, unless `nohup` was asked to keep it away, SIGHUP end the launch at once.

        That is as KeyboardInterrupt, which comes again where Python could not raise it.
        """
        before = {number: signal.getsignal(number) for number in SIGNALS}
        self._heard = [number for number in SIGNALS if (number, before[number]) != (signal.SIGHUP, signal.SIG_IGN)]
        self.listen()
        self._numbers, written = os.pipe()
        os.set_blocking(self._numbers, False)
        os.set_blocking(written, False)
        signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        unraisable, sys.unraisablehook = sys.unraisablehook, partial(self._raise_later, sys.unraisablehook)
        try:
            yield
        finally:
            sys.unraisablehook = unraisable
            signal.set_wakeup_fd(-1)
            os.close(written)
            os.close(self._numbers)
            self._numbers = None
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def gently(self) -> Iterator[None]:
        """Inside `on_signals`, once there is something to save: the first signal asks for the end, the second ends."""
        self.file.unlink(missing_ok=True)
        self._armed, self._taken = True, False
        try:
            yield
        finally:
            self._armed = False
            self.file.unlink(missing_ok=True)

    @contextmanager
    def after(self, limit_s: float | None, say: Callable[[], None]) -> Iterator[None]:
        """Inside `gently`: after so many seconds, if any, `say` is called and the end asked for."""
        timer = threading.Timer(limit_s if limit_s is not None else 0.0, self._time_out, [say])
        timer.daemon = True
        if limit_s is not None:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def listen(self) -> None:
        """Take the signals, again where a library took them meanwhile."""
        for number in self._heard:
            signal.signal(number, self._ask)

    def shield_children(self) -> None:
        """Until `listen`, processes that are started are deaf to the end of the terminal: this one bids them save."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def at_once(self) -> None:
        """From another thread: end the launch now. That is nothing the user `asked` for."""
        self._armed = False
        with self._lock:
            self._by_us += 1
        os.kill(os.getpid(), signal.SIGINT)

    def _times_asked(self) -> int:
        """How many signals others sent, which their handler may not have seen yet."""
        with self._lock:
            if self._numbers is not None:
                with suppress(BlockingIOError):
                    self._sent += sum(number in SIGNALS for number in os.read(self._numbers, 4096))
            return self._sent - self._by_us

    def _raise_later(self, others: Callable[[Any], None], lost: Any) -> None:
        """What is raised while an object is destroyed, Ray's are by the hundred, is printed and forgotten."""
        if isinstance(lost.exc_value, KeyboardInterrupt):
            again = threading.Timer(AGAIN_S, self.at_once)
            again.daemon = True
            again.start()
        else:
            others(lost)

    def _time_out(self, say: Callable[[], None]) -> None:
        self.timed_out = True
        self.file.touch()
        say()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_terminal()
        if self or not self._armed:
            self.at_once_asked = True
            raise KeyboardInterrupt
        self._taken = True
        self.file.touch()


def _leave_terminal() -> None:
    """Let what is still said go nowhere: writing to a terminal that was closed fails."""
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):  # `isatty` denies what is closed
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream)
            os.close(nowhere)
