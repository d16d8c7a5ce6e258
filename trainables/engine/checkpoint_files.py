"""The files of a checkpoint, as bytes: atomic, verified by hash. Without torch, so that exporting needs none."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

OURS = re.compile(r"(last|best)-\d+\.safetensors(\.draft)?")  # the folder may hold files of others


class CorruptCheckpointError(Exception):
    """No generation of a checkpoint could be verified."""


def network_weights(folder: Path, which: str) -> tuple[bytes, int]:
    """The newest generation's weights, of its `best` or `last` epoch, and that epoch.

    The bytes of a safetensors file whose names are those of the network's `state_dict`; modules that a loss attached to
    it for training (`attached.`) are left out. Raises OSError, ValueError, LookupError or CorruptCheckpointError where
    they cannot be had.
    """
    tensors, epoch = _newest(folder, which)
    return save(_part("network.", tensors)), epoch


def kept_arrays(folder: Path, which: str) -> dict[str, np.ndarray]:
    """What the loss had to show at the `best` or `last` epoch of the newest generation, such as a learned matrix.

    By the names of `Loss.arrays`; empty for a loss that shows nothing. Raises as `network_weights` does.
    """
    return _part("array.", _newest(folder, which)[0])


def kept_confusion(folder: Path, which: str) -> np.ndarray | None:
    """Confusion `[C, C]` in validation at the `best` or `last` epoch: row the label as the trial sees it, column the
    predicted class, in images. None in a checkpoint of a version that kept none. Raises as `network_weights` does.
    """
    return _part("measured.", _newest(folder, which)[0]).get("confusion")


def kept_calibration(folder: Path, which: str) -> np.ndarray | None:
    """What the calibration error in validation at the `best` or `last` epoch is the sum of, `[2, 2, 3, 15]`.

    Against noisy and clean labels, before and after temperature scaling: images, their summed confidence and those that
    are right, of each bin. None in a checkpoint of a version that kept none. Raises as `network_weights` does.
    """
    return _part("measured.", _newest(folder, which)[0]).get("calibration")


def _newest(folder: Path, which: str) -> tuple[dict[str, np.ndarray], int]:
    manifest = read_manifest(folder)
    if not manifest:
        raise LookupError(f"there is no checkpoint in {folder}")
    generation = manifest["generations"][0]
    return tensors_of(verified(folder, generation[which]), load), generation[
        "best_epoch" if which == "best" else "epoch"
    ]


def _part(prefix: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the folder's manifest says, empty where there is none; CorruptCheckpointError where it is not one."""
    try:
        data = (folder / "manifest.json").read_bytes()
    except FileNotFoundError:
        return {}
    return parse_manifest(data, str(folder))


def parse_manifest(data: bytes, where: str) -> dict[str, Any]:
    """What a manifest says that lies in the folder `where`; CorruptCheckpointError where it is not one."""
    try:
        manifest: dict[str, Any] = json.loads(data)
        if not (isinstance(manifest, dict) and {"key", "generations"} <= manifest.keys()):
            raise ValueError("key or generations are missing")
        if not (isinstance(manifest["generations"], list) and manifest["generations"]):
            raise ValueError("it names no generation")
        for generation in manifest["generations"]:
            _check_generation(generation)
    except (ValueError, RecursionError) as problem:
        raise CorruptCheckpointError(f"manifest.json in {where} is unreadable: {problem}") from problem
    return manifest


def _check_generation(generation: Any) -> None:
    """ValueError where an entry of a manifest is not such as `write_checkpoint` makes it."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "epoch": int, "best_epoch": int, "best_value": (int, float), "history": list, "last": dict, "best": dict,
    }  # fmt: skip
    for name, kind in kinds.items():
        if not isinstance(generation, dict) or name not in generation or not isinstance(generation[name], kind):
            raise ValueError(f"a generation has no usable {name}")
    if not all(isinstance(metrics, dict) for metrics in generation["history"]):
        raise ValueError("a generation has no usable history")
    if not len(generation["history"]) == generation["epoch"] >= generation["best_epoch"] >= 0:
        raise ValueError("a generation's history is not that of its epoch")
    for part in ("last", "best"):
        if not all(isinstance(generation[part].get(name), str) for name in ("file", "sha256")):
            raise ValueError(f"a generation names no file of its {part} epoch")


def tensors_of(data: bytes, load: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
    """`load(data)` by one of safetensors' readers; ValueError for what is no such file."""
    try:
        return load(data)
    except (SafetensorError, KeyError) as problem:
        raise ValueError(f"no safetensors file: {problem}") from None


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
