"""Keeps a study's copy in a storage level while a launch writes the study."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

from study.storage.owner import Ownership
from study.storage.study_copy import StudyCopy

EVERY_S = 30.0
SHARE = 0.05  # of the time at the most goes into copying


class CopyFollower:
    """From `begin` to `end`, brings the copy level every `every_s` seconds if the ledger has news, and at the end.

    For the holder of the study's lock. `say` is told once what keeps the copy from being written; the study goes on,
    and the next round brings it level. `lost` is called, with a sentence, when another head has taken the study over:
    it is followed no more.
    """

    def __init__(
        self, copy: StudyCopy, lost: Callable[[str], None], say: Callable[[str], None], every_s: float = EVERY_S
    ) -> None:
        self.problem: str | None = None  # why the copy is behind
        self._copy, self._lost, self._say, self._every_s = copy, lost, say, every_s
        self._owner = Ownership(copy.paths, copy.place)
        self._owned = True
        self._seen: int | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="study-copy", daemon=True)

    def begin(self) -> None:
        """StudyError where another head owns it, OSError where the storage cannot be written."""
        self._owner.check_free()
        self._owner.claim()
        self._copy.send()
        self._thread.start()

    def end(self) -> None:
        """Bring it level once more, and let go of it."""
        self._done.set()
        self._thread.join()
        if self._owned:
            self._round(last=True)

    def _follow(self) -> None:
        took = 0.0
        with closing(sqlite3.connect(f"{self._copy.paths.ledger.as_uri()}?mode=ro", uri=True)) as ledger:
            while self._owned and not self._done.wait(max(self._every_s, took / SHARE)):
                (version,) = ledger.execute("PRAGMA data_version").fetchone()
                began = time.monotonic()
                if self._round(news=version != self._seen):
                    self._seen = version
                took = time.monotonic() - began

    def _round(self, *, news: bool = True, last: bool = False) -> bool:
        """Whether the copy is level now."""
        try:
            if by := self._owner.lost_to():
                self._owned = False
                self._lost(f"the study was taken over by {by}, in {self._copy.place.uri}")
                return False
            self._owner.claim()
            if news or self.problem:
                self._copy.send()
            if last:
                self._owner.release()
        except (OSError, sqlite3.OperationalError) as problem:
            if self.problem is None:
                self._say(f"{self._copy.place.uri}: the copy cannot be brought level: {problem}; it is tried again")
            self.problem = str(problem)
            return False
        self.problem = None
        return True
