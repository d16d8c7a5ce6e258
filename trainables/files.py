"""Files that a study names, tied down by their content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def pinned_digest(path: Path, owner: str, planned: str | None) -> str:
    """A file's digest, 16 hex digits. ValueError, naming its `owner`, where it is not there or not `planned`."""
    if not path.is_file():
        raise ValueError(f"{owner}: there is no file {path}")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as problem:
        raise ValueError(f"{owner}: {path} cannot be read: {problem.strerror}") from None
    if planned not in (None, digest):
        raise ValueError(f"{owner}: {path} has digest {digest}, planned was {planned}: the file has changed")
    return digest


def cache_here(planned: str | Path) -> Path:
    """The cache of this machine: STUDY_CACHE where that is set, as on a node with a disk of its own, or the planned."""
    return Path(os.environ.get("STUDY_CACHE") or planned).expanduser().absolute()
