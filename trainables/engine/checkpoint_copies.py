"""Checkpoints in a shared storage, so that a trial goes on from its own on whatever machine. Without torch.

A copy looks as the checkpoint does on disk. Its manifest is written last and names hashes, so what is read is whole.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from trainables.engine.checkpoint_files import (
    OURS,
    CorruptCheckpointError,
    parse_manifest,
    read_manifest,
    verified,
    write_atomically,
)
from trainables.storage import Storage

MANIFEST = "manifest.json"


def send_checkpoint(folder: Path, storage: Storage) -> None:
    """Bring the copy in `storage` level with the checkpoint in `folder`.

    Raises OSError where that cannot be done, CorruptCheckpointError or ValueError where the checkpoint is damaged.
    """
    manifest = read_manifest(folder)
    there = _hashes(_manifest_in(storage))
    here = _hashes(manifest)
    entries = {entry["file"]: entry for entry in _entries(manifest)}
    for file, digest in here.items():
        if there.get(file) != digest:
            storage.write(file, verified(folder, entries[file]))
    storage.write(MANIFEST, (folder / MANIFEST).read_bytes())
    for file in storage.names():
        if OURS.fullmatch(file) and file not in here:
            storage.remove(file)


def fetch_checkpoint(storage: Storage, folder: Path) -> None:
    """Bring the checkpoint in `folder` level with the copy in `storage`, unless it is as new.

    Files that do not match their hash, or have no name of ours, are left out: who reads the checkpoint passes over
    their generation. Raises OSError where the storage cannot be read.
    """
    manifest = _manifest_in(storage)
    if _epoch(manifest) <= _epoch(_manifest_here(folder)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for entry in _entries(manifest):
        data = storage.read(entry["file"]) if OURS.fullmatch(entry["file"]) else b""
        if hashlib.sha256(data).hexdigest() == entry["sha256"]:
            write_atomically(folder / entry["file"], data)
    write_atomically(folder / MANIFEST, storage.read(MANIFEST))


def _manifest_in(storage: Storage) -> dict[str, Any]:
    """Empty where there is none that can be used."""
    try:
        return parse_manifest(storage.read(MANIFEST), storage.uri)
    except (FileNotFoundError, CorruptCheckpointError):
        return {}


def _manifest_here(folder: Path) -> dict[str, Any]:
    try:
        return read_manifest(folder)
    except CorruptCheckpointError:
        return {}


def _epoch(manifest: dict[str, Any]) -> int:
    return int(manifest["generations"][0]["epoch"]) if manifest else 0


def _entries(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [generation[part] for generation in manifest.get("generations", []) for part in ("last", "best")]


def _hashes(manifest: dict[str, Any]) -> dict[str, str]:
    return {entry["file"]: entry["sha256"] for entry in _entries(manifest)}
