"""What proposers that learn know, in the study's folder: a journal of Optuna's, which optuna-dashboard opens.

It is a help, not the truth: where it is missing or damaged, a new one is made from the ledger.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Record:
    """The journal at `path`, made where there is none. Its user holds the study's lock.

    What a launch that died left of its last line is cut off; a journal that cannot be read is kept aside. `renewed`
    says whether one was kept aside later, when a proposer stumbled over what it holds; `failure` why a write was
    refused, as by a full disk.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.renewed = path, False
        self.failure: str | None = None
        Path(f"{path}.lock").unlink(missing_ok=True)  # Optuna's, left by a launch that died
        if path.exists():
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
        try:
            self.storage = _open(path)
        except Exception:  # whatever Optuna makes of a damaged line
            self._set_aside()

    def part(self, name: str) -> Part:
        """The part of one cell, by a name that the dashboard shows."""
        return Part(self, name)

    def renew(self) -> bool:
        """Keep the journal aside and begin a new one, once; whether it was done now."""
        if self.renewed:
            return False
        self.renewed = True
        self._set_aside()
        return True

    def failed(self, problem: OSError) -> None:
        """A write was refused."""
        self.failure = f"{self._path}: {problem.strerror or problem}"

    def _set_aside(self) -> None:
        self._path.replace(f"{self._path}.damaged")
        self.storage = _open(self._path)


@dataclass(frozen=True)
class Part:
    """One cell's part of a record."""

    record: Record
    name: str


def _open(path: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    for line in path.read_bytes().splitlines() if path.exists() else []:
        json.loads(line)  # Optuna forgives a last line that is no JSON, and stumbles over it once another follows
    return JournalStorage(JournalFileBackend(str(path)))
