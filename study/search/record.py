"""What proposers that learn know, in the study's folder: a journal of Optuna's, which optuna-dashboard opens.

It is a help, not the truth: where it is missing or damaged, a new one is made from the ledger.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Part:
    """One cell's part of a record."""

    storage: Any
    name: str


class Record:
    """The journal at `path`, made where there is none. Its user holds the study's lock.

    What a launch that died left of its last line is cut off; a journal that cannot be read is kept aside.
    """

    def __init__(self, path: Path) -> None:
        Path(f"{path}.lock").unlink(missing_ok=True)  # Optuna's, left by a launch that died
        if path.exists():
            written = path.read_bytes()
            path.write_bytes(written[: written.rfind(b"\n") + 1])
        try:
            self._storage = _open(path)
        except Exception:  # whatever Optuna makes of a damaged line
            path.replace(f"{path}.damaged")
            self._storage = _open(path)

    def part(self, name: str) -> Part:
        """The part of one cell, by a name that the dashboard shows."""
        return Part(self._storage, name)


def _open(path: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    for line in path.read_bytes().splitlines() if path.exists() else []:
        json.loads(line)  # Optuna forgives a last line that is no JSON, and stumbles over it once another follows
    return JournalStorage(JournalFileBackend(str(path)))
