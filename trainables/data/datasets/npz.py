"""Arrays in one `.npz` file."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from trainables.data.datasets.draw import part_of_one
from trainables.data.datasets.images import Decoded
from trainables.data.datasets.source import Request, Source, parsing

FORMS = {  # of a part: (images, labels)
    "train": (("x_train", "y_train"), ("train_images", "train_labels")),
    "val": (("x_val", "y_val"), ("val_images", "val_labels")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
    "all": (("images", "labels"), ("x", "y")),
}


def files(request: Request) -> list[Path]:
    """The file that the root is, or the only `.npz` file in it."""
    if request.place.is_file():
        return [request.place]
    found = sorted(request.folder().glob("*.npz"))
    if len(found) != 1:
        said = f"no .npz file in {request.place}" if not found else f"{len(found)} .npz files in {request.place}"
        raise request.missing(f"{said}: the root names one")
    return found


def read(request: Request) -> Decoded:
    """`x_train`, `y_train`, `x_test`, `y_test` (or `train_images`, `train_labels`, ...) and, if it likes, `classes`.

    Images are uint8 `[N, height, width]`, `[N, height, width, channels]` or `[N, channels, height, width]`; labels
    whole numbers `[N]` or `[N, 1]`. `x_val` and `y_val` (`val_images`, `val_labels`) become the validation part;
    `images` and `labels` alone are split by us. `classes` holds the names, as text. Raises ValueError for another form.
    """
    (path,) = files(request)
    with parsing(str(path)), path.open("rb") as opened:
        lone = opened.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX
    if lone:
        raise ValueError(f"{path}: one array, a .npy file; save several with np.savez: x_train=..., y_train=..., ...")
    with parsing(str(path)), path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        names = set(file.files)
        parts = {part: pair for part, pairs in FORMS.items() for pair in pairs if names.issuperset(pair)}
        sides = ["train", "val"] if request.part == "pool" else ["test"]
        wanted = [part for part in (sides if "train" in parts else ["all"]) if part in parts]
        pairs = [parts[part] for part in wanted]
        arrays = {name: _array(file, name) for name in (*chain(*pairs), *names.intersection({"classes"}))}
    if not pairs:
        form = "x_train, y_train, x_test and y_test, or images and labels"
        raise ValueError(f"{path}: it holds {', '.join(sorted(names)) or 'nothing'}; wanted are {form}")
    for name, array in arrays.items():
        if array is None:
            form = "text, as in np.array(['cat', 'dog'])" if name == "classes" else "numbers"
            raise ValueError(
                f"{path}: {name} holds Python objects, which could run code and are not read; make it {form}"
            )
    classes = tuple(str(name) for name in arrays["classes"]) if "classes" in arrays else None
    images = [channels_first(arrays[name], str(path)) for name, _ in pairs]
    labels = [whole_labels(arrays[name], str(path)) for _, name in pairs]
    if len({each.shape[1:] for each in images}) > 1:
        raise ValueError(f"{path}: training and validation images have other sizes")
    val_index = np.arange(len(labels[0]), len(labels[0]) + len(labels[1])) if len(pairs) == 2 else None
    together = Decoded(np.concatenate(images), np.concatenate(labels), classes, val_index=val_index)
    if wanted == ["all"]:
        together = together.taken(part_of_one(together.labels, request.part))
    return together


def _array(file: Any, name: str) -> Any:
    """An array of the archive; None where it is of Python objects, which numpy refuses to unpickle."""
    try:
        return file[name]
    except ValueError as problem:
        if "Object arrays" in str(problem):
            return None
        raise


def channels_first(images: Any, where: str) -> np.ndarray:
    """uint8 images `[N, channels, height, width]`, whichever of three forms they have; ValueError for a fourth."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise ValueError(f"{where}: images are {images.dtype}; give uint8, 0 to 255")
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4 and images.shape[3] in (1, 3):
        return images.transpose(0, 3, 1, 2)
    if images.ndim == 4 and images.shape[1] in (1, 3):
        return images
    raise ValueError(f"{where}: images of shape {list(images.shape)}; wanted is [N, height, width, 1 or 3]")


def whole_labels(labels: Any, where: str) -> np.ndarray:
    """int64 labels `[N]`; ValueError for what is none."""
    labels = np.asarray(labels)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"{where}: labels of shape {list(labels.shape)}, {labels.dtype}; wanted are whole numbers [N]")
    return labels.astype(np.int64)


SOURCE = Source("arrays in one .npz file", read, files)
