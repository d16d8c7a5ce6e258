"""What of a study lies in a storage: its ledger at one instant, study file, proposers' journal, and exports.

`copy.json` names the first three by their hashes and is written last, so that a copy is whole whenever a head is lost.
Files lie there under their hash; those that no `copy.json` names any more are removed. Exports are there under their
own names, for whoever looks. Checkpoints lie beside them (`trainables.engine.checkpoint_copies`).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.records.damage import damage_of
from study.records.ledger import Ledger
from study.records.ledger_file import copy_ledger, is_begun
from study.records.paths import StudyPaths
from study.storage.arrival import is_another, news, settle
from trainables.engine.checkpoint_files import write_atomically
from trainables.storage import Storage

FORMAT = 1
INDEX = "copy.json"
PACKED = ".z"
WAY_OUT = "keep them apart: launch under another name, or with another --storage"


@dataclass(frozen=True)
class StudyCopy:
    """The copy of the study at `paths` in `storage`, which holds one folder for each study."""

    paths: StudyPaths
    storage: Storage

    @property
    def place(self) -> Storage:
        """The study's own folder in the storage."""
        return self.storage.below(self.paths.name)

    def send(self) -> int:
        """Bring the copy level with the study; how many bytes travelled. OSError where it cannot be written."""
        with tempfile.TemporaryDirectory(prefix="study-copy-") as scratch:
            ledger = Path(scratch, "ledger.db")
            copy_ledger(self.paths.ledger, ledger)
            sources = [(self.paths.ledger.name, ledger)]
            sources += [(file.name, file) for file in (self.paths.study_file, self.paths.search) if file.is_file()]
            before = set(self.place.names())
            files: dict[str, Any] = {}
            sent = 0
            for name, source in sources:
                data = source.read_bytes()
                digest = hashlib.sha256(data).hexdigest()
                held = f"{name}-{digest[:16]}{PACKED}"
                if held not in before:
                    packed = zlib.compress(data, 1)
                    self.place.write(held, packed)
                    sent += len(packed)
                files[name] = {"held": held, "sha256": digest, "bytes": len(data)}
        with Ledger(self.paths.ledger) as opened:
            identity = opened.identity()
        index = {
            "format": FORMAT, "study": self.paths.name, "identity": identity, "time": time.time(), "files": files,
        }  # fmt: skip
        self.place.write(INDEX, json.dumps(index, indent=2).encode())
        current = {str(entry["held"]) for entry in files.values()}
        for held in before - current:
            if held.endswith(PACKED):
                self.place.remove(held)
        return sent

    def send_exports(self) -> None:
        """Bring the exports there level with those of the study's own folder `best`."""
        folder, there = self.paths.best, self.place.below(self.paths.best.name)
        here = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()} if folder.is_dir() else {}
        for file, path in here.items():
            with suppress(FileNotFoundError):
                if there.read(file) == path.read_bytes():
                    continue
            there.write(file, path.read_bytes())
        for file in there.names():
            if file not in here:
                there.remove(file)

    def fetch_exports(self) -> tuple[int, int]:
        """Bring them here; how many files, how many bytes."""
        there, total = self.place.below(self.paths.best.name), 0
        files = there.names()
        self.paths.best.mkdir(exist_ok=True)
        for file in files:
            data = there.read(file)
            write_atomically(self.paths.best / file, data)
            total += len(data)
        return len(files), total

    def exists(self) -> bool:
        """Whether there is one."""
        return INDEX in self.place.names()

    def size(self) -> tuple[int, int]:
        """Of ledger, study file and journal: how many files, how many bytes."""
        files = (self._index() or {"files": {}})["files"]
        return len(files), sum(entry["bytes"] for entry in files.values())

    def take_up(self) -> str | None:
        """Bring what is here level with the copy, where that is ahead; a sentence where that is so.

        StudyError where the copy is of another study of this name, or each has something that the other lacks.
        """
        index = self._index()
        if index is None:
            return None
        if is_another(self.paths, index["identity"]):
            raise StudyError(f"{self.place.uri} holds another study of the same name; {WAY_OUT}")
        with tempfile.TemporaryDirectory(prefix=".take-up-", dir=self.paths.root.parent) as scratch:
            staged = Path(scratch, "study")
            staged.mkdir()
            self._fetch(index, staged)
            if is_begun(self.paths.ledger):
                with Ledger(self.paths.ledger):  # which brings one of an older format to this one
                    pass
                if news(staged / "ledger.db", self.paths.ledger) is None:
                    return None
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(index["time"]))
            settle(self.paths, staged, "study launch", WAY_OUT)
        return f"going on from the copy in {self.place.uri}, of {when}"

    def _index(self) -> dict[str, Any] | None:
        try:
            data = self.place.read(INDEX)
        except FileNotFoundError:
            return None
        try:
            index = json.loads(data)
            if index["format"] != FORMAT:
                raise StudyError(
                    f"{self.place.uri}: a copy of format {index['format']}, this program reads {FORMAT}; update it"
                )
            if not isinstance(index["files"], dict) or "ledger.db" not in index["files"]:
                raise ValueError("it names no ledger")
            return dict(index)
        except (ValueError, KeyError, TypeError) as problem:
            raise StudyError(f"{self.place.uri}/{INDEX} is no list of a copy: {problem}; {WAY_OUT}") from None

    def _fetch(self, index: Mapping[str, Any], staged: Path) -> None:
        for name in (self.paths.ledger.name, self.paths.study_file.name, self.paths.search.name):
            if name not in index["files"]:
                continue
            entry = index["files"][name]
            data = _unpacked(self.place.read(Path(entry["held"]).name), int(entry["bytes"]))
            if hashlib.sha256(data).hexdigest() != entry["sha256"]:
                raise StudyError(f"{self.place.uri}: {name} has another hash than {INDEX} names; {WAY_OUT}")
            (staged / name).write_bytes(data)
        if wrong := damage_of(staged / "ledger.db"):
            raise StudyError(f"the ledger in {self.place.uri}: {wrong}")


def _unpacked(packed: bytes, size: int) -> bytes:
    """At most one byte more than it should be."""
    try:
        return zlib.decompressobj().decompress(packed, size + 1)
    except zlib.error:
        return b""
