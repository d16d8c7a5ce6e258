"""A lane on disk: atomic, verified by hash, the one before kept until the next is safe.

A checkpoint's folder holds `manifest.json`, which lists the kept generations newest first, and per generation
`last-EPOCH.safetensors` (weights, buffers, optimiser, what the loss learned) and `best-EPOCH.safetensors` (weights and
buffers of the best epoch, what one deploys, and what the loss showed then). `LaneState` lists the names in them.
Nothing in them is executed when they are read.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load, save

from trainables.engine.checkpoint_files import (
    OURS,
    CorruptCheckpointError,
    read_manifest,
    tensors_of,
    verified,
    write_atomically,
)
from trainables.engine.lane import LaneState, Tensors

FORMAT = 1
GENERATIONS = 2


@dataclass(frozen=True)
class Restored:
    """A lane's state from disk, and a sentence for every newer generation that had to be passed over."""

    state: LaneState
    warnings: tuple[str, ...] = ()


def write_checkpoint(folder: Path, key: str, state: LaneState) -> dict[str, Any]:
    """Put `state` of lane `key` on disk. When this returns it survives a crash of the machine.

    Returns epoch, best epoch and, for `last` and `best`, file, hash and size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        before = read_manifest(folder)
    except CorruptCheckpointError:  # a trial that had to start again replaces what it could not read
        before = {}
    generation = {
        "epoch": state.epoch,
        "best_epoch": state.best_epoch,
        "best_value": state.best_value,
        "history": state.history,
        "last": _write_tensors(folder, f"last-{state.epoch:05d}.safetensors", state.last),
        "best": _write_tensors(folder, f"best-{state.best_epoch:05d}.safetensors", state.best),
    }
    older = [entry for entry in before.get("generations", []) if entry["epoch"] != state.epoch]
    generations = [generation, *older][:GENERATIONS]
    manifest = {"format": FORMAT, "key": key, "generations": generations}
    write_atomically(folder / "manifest.json", json.dumps(manifest).encode())
    named = {entry[part]["file"] for entry in generations for part in ("last", "best")}
    for path in folder.iterdir():
        if OURS.fullmatch(path.name) and path.name not in named:
            path.unlink(missing_ok=True)
    return {name: generation[name] for name in ("epoch", "best_epoch", "last", "best")}


def read_checkpoint(folder: Path, key: str) -> Restored | None:
    """The newest state of lane `key` that verifies; None where there never was one.

    Raises CorruptCheckpointError where none verifies, ValueError where the folder belongs to another lane.
    """
    manifest = read_manifest(folder)
    if not manifest:
        return None
    if manifest["key"] != key:
        raise ValueError(f"the checkpoint in {folder} belongs to trial {manifest['key']}, not to {key}")
    warnings: list[str] = []
    for entry in manifest["generations"]:
        try:
            last, best = (_read_tensors(folder, entry[part]) for part in ("last", "best"))
        except (OSError, ValueError) as problem:
            warnings.append(f"checkpoint of epoch {entry['epoch']} is unusable: {problem}")
            continue
        state = LaneState(entry["epoch"], last, best, entry["best_epoch"], entry["best_value"], list(entry["history"]))
        return Restored(state, tuple(warnings))
    raise CorruptCheckpointError("; ".join(warnings))


def _write_tensors(folder: Path, name: str, tensors: Tensors) -> dict[str, Any]:
    data = save({key: tensor.contiguous() for key, tensor in tensors.items()})
    write_atomically(folder / name, data)
    return {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _read_tensors(folder: Path, entry: dict[str, Any]) -> Tensors:
    return tensors_of(verified(folder, entry), load)
