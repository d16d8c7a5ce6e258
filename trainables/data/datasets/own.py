"""A data set of a user's own, or one of torchvision's, by import path `my_package.data:make`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.datasets.draw import part_of_one
from trainables.data.datasets.images import Decoded
from trainables.data.datasets.npz import channels_first, whole_labels
from trainables.data.datasets.options import SHARED
from trainables.data.datasets.source import Request, Source
from trainables.own import load_object, source_digest

PARTS = ("part", "train", "split")  # arguments that say which part is wanted; the first that is named is told
UNNAMED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def own_source(path: str) -> Source:
    """The source that `path` names; ValueError where it cannot be imported or called."""
    if not callable(load_object(path, "data set")):
        raise ValueError(
            f"data set '{path}' is neither a function nor a class; give one that returns images and labels"
        )
    return Source(f"your own, {path}", _read, _files, needs_root=False)


def code_of(path: str) -> str:
    """What tells one text of its source from another; of torchvision, its version."""
    return f"torchvision {version('torchvision')}" if path.startswith("torchvision.") else source_digest(path)


def check_arguments(path: str, options: Mapping[str, Any]) -> None:
    """Refuse options that the function does not take with ValueError; whether its root is there is seen later."""
    make = load_object(path, "data set")
    known, complete = _parameters(make)
    if not complete and not known.keys() & PARTS:
        raise ValueError(
            f"data set '{path}': its **arguments do not say how it is asked for a part; name part, train or split in "
            "its signature, or take no **arguments"
        )
    told = _told(known, "pool", options)
    root = {"root": ""} if "root" in known else {}
    try:
        inspect.signature(make).bind(**told, **root, **options)
        if complete and (unknown := options.keys() - known):
            raise TypeError(f"got an unexpected keyword argument '{min(unknown)}'")
    except TypeError as problem:
        raise ValueError(f"data set '{path}': {problem}; its arguments are part, root and the options") from None


def _parameters(make: Any) -> tuple[Mapping[str, inspect.Parameter], bool]:
    """The arguments that `make` names, and whether these are all: where a class hands **arguments on to its parents,
    theirs count too."""
    found: dict[str, inspect.Parameter] = {}
    parents = make.__mro__[1:] if inspect.isclass(make) else ()
    for each in (make, *(vars(parent)["__init__"] for parent in parents if "__init__" in vars(parent))):
        known = inspect.signature(each).parameters
        found = {name: one for name, one in known.items() if one.kind not in UNNAMED} | found
        if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values()):
            return found, True
    return found, False


def _told(known: Mapping[str, Any], part: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """How it is asked for a part: torchvision's classes say `train` or `split` where a function of one's own says
    `part`. Empty where it names none of them, or the options say it instead: then it has one part, to be split."""
    side = "train" if part == "pool" else "test"
    values = {"part": side, "train": part == "pool", "split": side}
    return next(({name: values[name]} for name in PARTS if name in known and name not in options), {})


def _files(request: Request) -> list[Path]:
    root = request.root
    if root is None:
        return []
    return sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]


def _read(request: Request) -> Decoded:
    """What the function returns for `part` "train" or "test", `root` and the options.

    A pair of arrays (images as in `npz.py`, labels `[N]`), or a `Dataset` of pairs (PIL image, or uint8 array or
    tensor `[channels, height, width]`; class as a whole number). An attribute `classes` names the classes, `ordered`
    says that they are steps of a scale. Of one that cannot be asked for a part, a stratified fifth, always the same,
    is the test set.
    """
    make = load_object(request.name, "data set")
    own = {key: value for key, value in request.options.items() if key not in SHARED}
    known, _ = _parameters(make)
    told = _told(known, request.part, own)
    root = {"root": str(request.root)} if request.root is not None and "root" in known else {}
    where = f"data set '{request.name}'"
    try:
        made = make(**told, **root, **own)
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
    whole = Decoded(images, labels, names, bool(getattr(made, "ordered", False)))
    return whole if told else whole.taken(part_of_one(labels, request.part))


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
