"""Ends a process whose training hangs, and leaves word of where: Ray Tune waits for ever for a trial that says nothing.

It is C code of Python's own `faulthandler` that waits, so that a hang which holds the interpreter's lock ends as well.
"""

from __future__ import annotations

import faulthandler
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>.+)')


class Watchdog:
    """Ends this process where what it watches takes longer than `timeout_s`; one for a process.

    The calls under way, of every thread, then stand in `file`, which is empty for as long as all is well.
    """

    def __init__(self, timeout_s: float, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.timeout_s, self.path = timeout_s, file
        self._file = file.open("w", encoding="utf-8")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """What takes place inside is to be over in time; what began before starts its time again."""
        faulthandler.dump_traceback_later(self.timeout_s, exit=True, file=self._file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def close(self) -> None:
        """Nothing more is watched; the file goes."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def where_it_hung(file: Path) -> str | None:
    """`in my_loss.py, line 12 (forward)`: what the process that left this file was doing; None where it left no word.

    Of all threads the one that trains is looked for: the first with a call that is not one of Python's own.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    if not text.strip():
        return None
    library = os.path.dirname(os.__file__)
    for thread in text.split("\n\n"):
        frames = [match.groupdict() for match in FRAME.finditer(thread)]
        if any("trainables" in frame["file"] for frame in frames):
            inner = next((f for f in frames if not f["file"].startswith(library)), frames[0])
            return f"in {Path(inner['file']).name}, line {inner['line']} ({inner['function']})"
    return "in a place that its calls do not tell"
