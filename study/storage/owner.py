"""One head at a time writes a study's copy in a storage.

No storage has locks that go with their process, so a head says again and again that it lives, and who is silent for
`SILENT_S` is taken for dead. All times are of the storage's clock.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from typing import Any

from study.errors import StudyError
from study.records.paths import StudyPaths
from trainables.storage import Storage

OWNER = "owner.json"
SILENT_S = 120.0


class Ownership:
    """The right of this process to write the copy of the study at `paths` that lies in `place`."""

    def __init__(self, paths: StudyPaths, place: Storage) -> None:
        self._paths, self._place = paths, place
        self._facts: dict[str, Any] = {
            "token": secrets.token_hex(16),
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "home": str(paths.root.parent),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }

    def check_free(self) -> None:
        """StudyError where another head that lives owns it. For whom the study here is locked: no other lives here."""
        other = self._owner()
        if other is None or self._is_of_here(other):
            return
        probe = f"probe-{secrets.token_hex(8)}"
        self._place.write(probe, b"")
        silent = self._place.modified(probe) - self._place.modified(OWNER)
        self._place.remove(probe)
        if silent < SILENT_S:
            raise StudyError(
                f"study '{self._paths.name}' in {self._place.uri} is being written by {_in_words(other)}, heard of "
                f"{max(0.0, silent):.0f} s ago; wait for it, or where it is gone, launch again in "
                f"{SILENT_S - max(0.0, silent):.0f} s"
            )

    def claim(self) -> None:
        """Own it, or say that one still does."""
        self._place.write(OWNER, json.dumps(self._facts).encode())

    def lost_to(self) -> str | None:
        """Who owns it now, in words, where that is another."""
        other = self._owner()
        if other is not None and other.get("token") == self._facts["token"]:
            return None
        return _in_words(other) if other else "somebody who removed its owner's mark"

    def release(self) -> None:
        """Own it no more."""
        self._place.remove(OWNER)

    def _owner(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self._place.read(OWNER))
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _is_of_here(self, other: dict[str, Any]) -> bool:
        return all(other.get(name) == self._facts[name] for name in ("host", "home"))


def _in_words(owner: dict[str, Any]) -> str:
    return f"process {owner.get('pid')} on {owner.get('host')} since {owner.get('since')}"
