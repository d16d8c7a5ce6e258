"""Ends what hangs in this process, such as a user's loss that is tried before a launch; watchdogs look after workers.

It is a signal that interrupts: Python code that sleeps or loops ends, a call that never comes back to Python does not.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from study.errors import StudyError

AGAIN_S = 1.0  # after which code that caught the interruption is interrupted again
SHORTEST_S, LONGEST_S = 0.001, 1e8  # that a timer takes


class _TimeIsUpError(BaseException):
    """No `except Exception` of what hangs stops it."""


@contextmanager
def ended_after(limit_s: float, sentence: str) -> Iterator[None]:
    """StudyError with `sentence` where what takes place inside is not over within so many seconds.

    Signals reach the main thread alone: in another one nothing is ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise _TimeIsUpError

    handler = signal.signal(signal.SIGALRM, interrupt)
    others = signal.setitimer(signal.ITIMER_REAL, min(max(limit_s, SHORTEST_S), LONGEST_S), AGAIN_S)
    try:
        yield
    except _TimeIsUpError:
        raise StudyError(sentence) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *others)
