"""The files of a checkpoint, as bytes: atomic, verified by hash. Without torch, so that exporting needs none."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetensors.numpy import load, save


class CorruptCheckpointError(Exception):
    """No generation of a checkpoint could be verified."""


def network_weights(folder: Path, which: str) -> tuple[bytes, int]:
    """The newest generation's weights, of its `best` or `last` epoch, and that epoch.

    The bytes of a safetensors file whose names are those of the network's `state_dict`. Raises OSError, ValueError,
    LookupError or CorruptCheckpointError where they cannot be had.
    """
    manifest = read_manifest(folder)
    if not manifest:
        raise LookupError(f"there is no checkpoint in {folder}")
    generation = manifest["generations"][0]
    tensors = load(verified(folder, generation[which]))
    network = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
    return save(network), generation["best_epoch" if which == "best" else "epoch"]


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the folder's manifest says, empty where there is none; CorruptCheckpointError where it is not one."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
        if not (isinstance(manifest, dict) and {"key", "generations"} <= manifest.keys()):
            raise ValueError("key or generations are missing")
    except FileNotFoundError:
        return {}
    except ValueError as problem:
        raise CorruptCheckpointError(f"manifest.json in {folder} is unreadable: {problem}") from problem
    return manifest


def verified(folder: Path, entry: dict[str, Any]) -> bytes:
    """The bytes of a file named in a manifest; ValueError where they do not match its hash."""
    data = (folder / Path(entry["file"]).name).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise ValueError(f"{entry['file']} does not match its hash")
    return data


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` at `path`, whole or not at all, and on the disk when this returns."""
    draft = path.with_name(f"{path.name}.draft")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
