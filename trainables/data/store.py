"""Arrays on disk: computed once, found again by what determines them, mapped into memory without a copy."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

Arrays = dict[str, np.ndarray]


def content_hash(*parts: Any) -> str:
    """16 hex digits that depend on the arrays' bytes, shapes and types and on the JSON of everything else."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def cached_arrays(folder: Path, make: Callable[[], tuple[Arrays, Mapping[str, Any]]]) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and facts kept in `folder`, made by `make()` where the folder is not there yet.

    The folder appears whole or not at all. Any number of processes may ask at once: one makes it, the others wait.
    """
    if not (folder / "facts.json").is_file():
        with alone(folder):
            if not (folder / "facts.json").is_file():
                _make(folder, make)
    facts = json.loads((folder / "facts.json").read_text())
    names = facts.pop("arrays")
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}, facts


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process of a machine at a time; where the file system knows no locks, several may do the same work."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f".{folder.name}.lock")
    with path.open("w") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _make(folder: Path, make: Callable[[], tuple[Arrays, Mapping[str, Any]]]) -> None:
    arrays, facts = make()
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        draft.chmod(0o755)  # a cache may be shared by several users; mkdtemp is for one
        for name, array in arrays.items():
            with (draft / f"{name}.npy").open("wb") as file:
                np.save(file, array, allow_pickle=False)
                _to_disk(file)
        with (draft / "facts.json").open("w") as text:
            json.dump({"arrays": sorted(arrays), **facts}, text, sort_keys=True)
            _to_disk(text)
        os.replace(draft, folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not (folder / "facts.json").is_file():
            raise


def _to_disk(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())
