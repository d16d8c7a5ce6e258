"""One writer per study.

The lock belongs to a process and goes with it however it ends: the operating system lets go of it. The file's text
only names the owner, for the message that the next one sees.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType

from study.errors import StudyError

LAUNCHES = ("study launch", "study confirm")  # what answers to the stop file


class WriterLock:
    """Held from `with` to the end of its block; StudyError naming the owner where another process holds it."""

    def __init__(self, path: Path, purpose: str) -> None:
        self.path, self.purpose = path, purpose

    def __enter__(self) -> WriterLock:
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as problem:
            raise StudyError(f"{self.path}: cannot be written: {problem.strerror}; whose study is it?") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            name, holder = self.path.parent.name, owner(self.path)
            end = f", or by 'study stop {name}'" if is_launch(holder) else ""
            raise StudyError(
                f"study '{name}' is being written by {holder}; wait for it, or end it with Ctrl-C there{end}"
            ) from None
        text = json.dumps(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "purpose": self.purpose,
                "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            }
        )
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def owner(path: Path) -> str:
    """Who holds the lock, in words."""
    try:
        facts = json.loads(path.read_text())
        return f"'{facts['purpose']}', process {facts['pid']} on {facts['host']} since {facts['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"


def is_launch(holder: str) -> bool:
    """Whether an `owner`, in words, runs trials and so can be asked to stop."""
    return any(holder.startswith(f"'{purpose}'") for purpose in LAUNCHES)
