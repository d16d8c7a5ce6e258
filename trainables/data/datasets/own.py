"""A data set of a user's own, or one of torchvision's, by import path `my_package.data:make`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.datasets.images import Decoded
from trainables.data.datasets.npz import channels_first, whole_labels
from trainables.data.datasets.source import Request, Source
from trainables.own import load_object, source_digest


def own_source(path: str) -> Source:
    """The source that `path` names; ValueError where it cannot be imported or called."""
    if not callable(load_object(path, "data set")):
        raise ValueError(f"data set '{path}' is neither a function nor a class; give one that takes part and root")
    return Source(f"your own, {path}", _read, _files, needs_root=False)


def code_of(path: str) -> str:
    """What tells one text of its source from another; of torchvision, its version."""
    return f"torchvision {version('torchvision')}" if path.startswith("torchvision.") else source_digest(path)


def check_arguments(path: str, options: Mapping[str, Any]) -> None:
    """Refuse options that the function does not take with ValueError; whether its root is there is seen later."""
    arguments = _arguments(load_object(path, "data set"), "pool", Path(), options)
    try:
        inspect.signature(load_object(path, "data set")).bind(**arguments)
    except TypeError as problem:
        raise ValueError(f"data set '{path}': {problem}; its arguments are part, root and the options") from None


def _arguments(make: Any, part: str, root: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """How it is called: torchvision's classes say `train` or `split` where a function of one's own says `part`."""
    side = "train" if part == "pool" else "test"
    known = inspect.signature(make).parameters
    told: dict[str, Any] = {}
    if "part" in known or any(each.kind is inspect.Parameter.VAR_KEYWORD for each in known.values()):
        told["part"] = side
    elif "train" in known:
        told["train"] = side == "train"
    elif "split" in known and "split" not in options:
        told["split"] = side
    if root is not None and ("root" in known or "part" not in known):
        told["root"] = str(root)
    return told | dict(options)


def _files(request: Request) -> list[Path]:
    root = request.root
    if root is None:
        return []
    return sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]


def _read(request: Request) -> Decoded:
    """What the function returns for `part` "train" or "test", `root` and the options.

    A pair of arrays (images as in `npz.py`, labels `[N]`), or a `Dataset` of pairs (PIL image, or uint8 array or
    tensor `[channels, height, width]`; class as a whole number). An attribute `classes` names the classes, `ordered`
    says that they are steps of a scale.
    """
    make = load_object(request.name, "data set")
    own = {key: value for key, value in request.options.items() if key not in ("limit", "classes", "leave_out")}
    where = f"data set '{request.name}'"
    try:
        made = make(**_arguments(make, request.part, request.root, own))
        if isinstance(made, tuple) and len(made) == 2:
            images, labels = channels_first(made[0], where), whole_labels(made[1], where)
        else:
            images, labels = _collected(made, where)
    except ValueError:
        raise
    except Exception as problem:  # whatever the user's code raises
        said = " ".join(str(problem).split())[:300]
        raise ValueError(f"{where}: {type(problem).__name__}: {said}") from None
    names = getattr(made, "classes", None)
    names = tuple(map(str, names)) if names is not None else None
    return Decoded(images, labels, names, bool(getattr(made, "ordered", False)))


def _collected(dataset: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a map-style data set."""
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise ValueError(f"{where} returned a {type(dataset).__name__}; wanted are a Dataset or a pair of arrays")
    images: list[np.ndarray] = []
    labels: list[int] = []
    for index in range(len(dataset)):
        image, label = dataset[index]
        array = np.asarray(image)
        if array.dtype != np.uint8:
            raise ValueError(f"{where}: image {index} is {array.dtype}; give PIL images or uint8, 0 to 255")
        if array.ndim == 2:
            array = array[None]
        elif not hasattr(image, "numpy") and array.ndim == 3 and array.shape[2] in (1, 3):  # a tensor is channels first
            array = array.transpose(2, 0, 1)
        if array.ndim != 3 or array.shape[0] not in (1, 3):
            raise ValueError(f"{where}: image {index} has shape {list(np.shape(image))}; give 1 or 3 channels")
        if images and array.shape != images[0].shape:
            raise ValueError(f"{where}: image {index} is {list(array.shape)}, the first is {list(images[0].shape)}")
        images.append(array)
        labels.append(int(label))
    if not images:
        raise ValueError(f"{where} is empty")
    return np.stack(images), np.array(labels, np.int64)
