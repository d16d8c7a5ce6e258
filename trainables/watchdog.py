"""Ends a process whose training hangs, and leaves word of where: Ray Tune waits for ever for a trial that says nothing.

It is C code of Python's own `faulthandler` that waits, so that a hang which holds the interpreter's lock ends as well.
"""

from __future__ import annotations

import faulthandler
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>.+)')


class Watchdog:
    """Ends this process where what it watches takes longer than `timeout_s`; one for a process.

    The calls under way, of every thread, then stand in `file` below the one that was watched.
    """

    def __init__(self, timeout_s: float, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.timeout_s, self.path = timeout_s, file
        self._file = file.open("w", encoding="utf-8")
        self._watched = 0  # a thread

    @contextmanager
    def watching(self, more_s: float = 0.0) -> Iterator[None]:
        """What takes place inside is to be over in time, or so many seconds later."""
        if threading.get_ident() != self._watched:
            self._watched = threading.get_ident()
            print(f"watched: {self._watched:#018x}", file=self._file, flush=True)
        faulthandler.dump_traceback_later(self.timeout_s + more_s, exit=True, file=self._file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def close(self) -> None:
        """Nothing more is watched; the file goes."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def hung_in(text: str) -> str | None:
    """`in my_loss.py, line 12 (forward)`: what was watched in the process that left this text; None if it did not hang.

    The innermost call that is not one of Python's own is told.
    """
    watched, _, threads = text.rpartition("watched: ")[2].partition("\n")
    if not threads:
        return None
    library = os.path.dirname(os.__file__)
    calls = next((thread for thread in threads.split("\n\n") if watched in thread), "")
    frames = [match.groupdict() for match in FRAME.finditer(calls)]
    own = [frame for frame in frames if not frame["file"].startswith(library)] or frames
    if not own:
        return "in a place that its calls do not tell"
    return f"in {Path(own[0]['file']).name}, line {own[0]['line']} ({own[0]['function']})"
