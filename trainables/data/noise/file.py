"""Labels from a file, such as people gave."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainables.array_files import check_size, read_csv, read_npy, read_npz
from trainables.data.noise.kind import Names, NoiseKind, Part, Spec, pinned, planned_file
from trainables.data.noise.options import Key
from trainables.names import unknown_name
from trainables.similarity.options import Digest, File

CLEAN_LABELS = "clean_label"  # what CIFAR-N calls the true labels that it brings along
MOST = 2**53  # whole numbers that a float64 holds
ENDINGS = (".npy", ".npz", ".csv", ".txt", ".pt")


def settle(spec: Spec, dataset: str, class_names: Names) -> Spec:
    """`spec` with the absolute path of its file and the digest of its content."""
    return pinned(spec)


def corrupt(part: Part, spec: Spec) -> np.ndarray:
    """The file's labels of the part's images, `[N]`.

    The file holds one label for each image of the pool, training and validation together, in the pool's order: that
    of the data set's own training files (the order of torchvision, which is also that of CIFAR-N's .pt files).
    ValueError where their number is another, where one is beyond the classes, and where the file's own true labels
    (CIFAR-N's `clean_label`) are not the pool's.
    """
    path, size = planned_file(spec), len(part.labels)
    arrays = read_arrays(path)
    labels = _whole_numbers(_chosen(arrays, spec.get("key"), path), path)
    if len(labels) != size:
        raise ValueError(f"{path}: {len(labels)} labels; {size} are expected, one an image of the pool, in its order")
    beyond = np.flatnonzero((labels < 0) | (labels >= part.num_classes))
    if len(beyond):
        raise ValueError(
            f"{path}: label {labels[beyond[0]]} at position {beyond[0]} is none of the {part.num_classes} classes; "
            f"labels are 0 to {part.num_classes - 1}"
        )
    if CLEAN_LABELS in arrays and len(arrays) > 1:
        differing = int((_whole_numbers(arrays[CLEAN_LABELS], path) != np.asarray(part.labels)).sum())
        if differing:
            raise ValueError(
                f"{path}: its {CLEAN_LABELS} differs from the pool's true labels at {differing} of {size} images: "
                "they are in another order"
            )
    return labels[part.index]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a file by name; in a file that holds but one, its name is empty. Nothing in it is executed."""
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise ValueError(f"{path}: labels are read from {', '.join(ENDINGS)}")
    try:
        if kind == ".npy":
            found = {"": read_npy(path)}
        elif kind == ".npz":
            found = read_npz(path)
        else:
            found = _torch_arrays(path) if kind == ".pt" else {"": read_csv(path, 1)}
        if not found:
            raise ValueError("it is empty")
    except Exception as problem:  # a parser of damaged bytes may raise anything
        said = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise ValueError(f"{path} holds no labels that can be read: {said}") from None
    return found


def _torch_arrays(path: Path) -> dict[str, np.ndarray]:
    """What torch saved, a dictionary of arrays or tensors; numpy's own arrays are let through, code is not."""
    import torch

    rebuild = np.empty(0).__reduce__()[0]  # numpy's own, named by another module before numpy 2
    types = [type(np.dtype(kind)) for kind in ("i1", "u1", "i2", "i4", "i8", "f4", "f8")]
    names = [f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")]
    allowed: list[Any] = [*((rebuild, name) for name in names), np.ndarray, np.dtype, *types]
    with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a format it may not read; where it does not, it says so
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_size(sum(member.file_size for member in archive.infolist()))
        value = torch.load(path, weights_only=True, map_location="cpu")
    named = value if isinstance(value, Mapping) else {"": value}
    return {str(name): np.asarray(each) for name, each in named.items()}


def _chosen(arrays: Mapping[str, np.ndarray], key: str | None, path: Path) -> np.ndarray:
    if key is None:
        if len(arrays) > 1:
            raise ValueError(f"{path} holds {', '.join(arrays)}; name one, as in key: {next(iter(arrays))}")
        return next(iter(arrays.values()))
    if key not in arrays:
        names = [name for name in arrays if name]
        raise ValueError(f"{path}: " + unknown_name("key", key, names, "it holds"))
    return arrays[key]


def _whole_numbers(labels: np.ndarray, path: Path) -> np.ndarray:
    numbers = labels.ndim == 1 and labels.dtype.kind in "iuf"
    if not numbers or not (np.abs(labels, dtype=np.float64) < MOST).all() or (labels != np.floor(labels)).any():
        raise ValueError(f"{path}: shape {list(labels.shape)} of {labels.dtype}; labels are one whole number an image")
    return labels.astype(np.int64)


FILE = NoiseKind(
    name="file",
    meaning="labels as a file gives them, one for each image of the pool, such as CIFAR-N's",
    formula="the labels in the file",
    source="such as Wei et al., Learning with Noisy Labels Revisited, ICLR 2022",
    corrupt=corrupt,
    options={
        "path": File("labels as .npy, .npz, .csv, .txt or .pt, one an image of the pool, in its order"),
        "key": Key("which array of the file, as in key: aggre_label"),
        "digest": Digest(),
    },
    rated=False,
    drawn=False,
    settle=settle,
)
