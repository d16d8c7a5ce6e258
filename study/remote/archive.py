"""What of a study comes home, packed into one file there and checked, file by file, here."""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from study.errors import StudyError
from study.export.files import WEIGHTS
from study.records.ledger import Ledger
from study.records.ledger_file import copy_ledger
from study.records.paths import StudyPaths
from study.results.selection import cell_results

BLOCK = 2**20  # bytes that are read at once
SINGLE, FOLDERS = ("ledger.db", "study.yaml"), ("best", "report", "checkpoints")


@dataclass(frozen=True)
class Packed:
    """A file of a study: its name in the study's folder, its size and hash."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What an archive holds: of which study, which files in their order, and size and hash of the archive itself."""

    study: str
    identity: str
    files: tuple[Packed, ...]
    bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Manifest:
        """From plain values."""
        return cls(**values | {"files": tuple(Packed(**file) for file in values["files"])})


def pack(paths: StudyPaths, archive: Path, *, weights: bool, checkpoints: bool) -> Manifest:
    """Write a study's ledger, study file, exports and report into `archive`, while it may be running.

    The ledger is a copy at one instant. Without `weights` those of the exports stay; with `checkpoints` those of each
    cell's best config come too. StudyError where there is no ledger.
    """
    files, whole = [], hashlib.sha256()
    with Ledger(paths.ledger) as ledger, tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        identity = ledger.identity()
        copy = Path(scratch, "ledger.db")
        copy_ledger(paths.ledger, copy)
        packer = zlib.compressobj()
        with archive.open("wb") as out:

            def write(data: bytes) -> None:
                whole.update(data)
                out.write(data)

            for name, source in [("ledger.db", copy), *_files(paths, ledger, weights, checkpoints)]:
                with suppress(FileNotFoundError), source.open("rb") as file:  # a launch may remove exports meanwhile
                    digest, size = hashlib.sha256(), 0
                    while block := file.read(BLOCK):
                        digest.update(block)
                        size += len(block)
                        write(packer.compress(block))
                    files.append(Packed(name, size, digest.hexdigest()))
            write(packer.flush())
    return Manifest(paths.name, identity, tuple(files), archive.stat().st_size, whole.hexdigest())


def unpack(archive: Path, manifest: Manifest, folder: Path) -> None:
    """Write the files of `archive` into `folder`; StudyError where one is not what the manifest says."""
    if _hash(archive) != manifest.sha256:
        raise StudyError(f"what came of study '{manifest.study}' has another hash than what was sent; pull it again")
    with archive.open("rb") as packed:
        content = _Inflated(packed)
        for file in manifest.files:
            target = _place(folder, file.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with target.open("xb") as out:
                for block in content.read(file.bytes):
                    digest.update(block)
                    out.write(block)
            if digest.hexdigest() != file.sha256:
                raise StudyError(f"study '{manifest.study}': {file.name} has another hash than there; pull it again")


def _files(paths: StudyPaths, ledger: Ledger, weights: bool, checkpoints: bool) -> Iterator[tuple[str, Path]]:
    folders = [paths.best, paths.report]
    if checkpoints:
        best = [trial.key for cell in cell_results(ledger) if cell.best for trial in cell.best.trials]
        folders += [paths.checkpoint(key) for key in best]
    yield "study.yaml", paths.study_file
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            left_out = path.parent == paths.best and path.suffix == WEIGHTS and not weights
            if path.is_file() and not path.is_symlink() and not left_out:
                yield path.relative_to(paths.root).as_posix(), path


def _place(folder: Path, name: str) -> Path:
    """Where a file of the archive goes; StudyError for a name that is none of a study's files."""
    parts = PurePosixPath(name).parts
    if name not in SINGLE and not (len(parts) > 1 and parts[0] in FOLDERS and ".." not in parts):
        raise StudyError(f"the archive holds '{name[:200]}', which is no file of a study; nothing was changed here")
    return folder.joinpath(*parts)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Inflated:
    """Reads what was compressed, never more of it at once than a block."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._inflater = file, zlib.decompressobj()

    def read(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes; fewer where there are no more."""
        while size > 0:
            packed = self._inflater.unconsumed_tail or self._file.read(BLOCK)
            block = self._inflater.decompress(packed, min(size, BLOCK))
            if not block and not packed:
                return
            size -= len(block)
            yield block
