"""Small synthetic data sets in the real formats: to try the readers, and whole studies, where the real data is not.

Every class has a pattern of its own, every image is its class's pattern under noise, so a network can learn them and a
memory of pixels cannot. A file SYNTHETIC beside the data tells the readers that the published checksums do not hold.
"""

from __future__ import annotations

import gzip
import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.datasets.cifar import FOLDERS
from trainables.data.datasets.idx import file_names
from trainables.data.datasets.source import MARK
from trainables.names import unknown_name
from trainables.seeds import derive_seed

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CONTRAST, NOISE = 60, 25  # of a pattern and around it, in grey values


@dataclass(frozen=True)
class Recipe:
    """What is made: `images_per_class` for the pool, a fifth of it (at least 2) for the test set."""

    images_per_class: int
    seed: int

    def part(self, part: str, classes: int, channels: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Shuffled uint8 images `[N, channels, height, width]` and labels `[N]` of the part `pool`, `test`, ..."""
        count = self.images_per_class if part == "pool" else max(2, self.images_per_class // 5)
        labels = np.repeat(np.arange(classes), count)
        generator = np.random.default_rng(derive_seed(self.seed, part))
        generator.shuffle(labels)
        images = patterns(classes, channels, height, width)[labels]
        images = images + generator.normal(0, NOISE, images.shape)
        return np.clip(np.rint(images), 0, 255).astype(np.uint8), labels


def patterns(classes: int, channels: int, height: int, width: int) -> np.ndarray:
    """Smooth waves, one per class and channel, around middle grey, `[classes, channels, height, width]`."""
    generator = np.random.default_rng(classes)
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    frequency = generator.uniform(0.5, 2.5, (2, classes, channels, 1, 1)) * generator.choice(
        [-1, 1], (2, classes, 1, 1, 1)
    )
    phase = generator.uniform(0, 2 * np.pi, (classes, channels, 1, 1))
    return np.asarray(128 + CONTRAST * np.sin(2 * np.pi * (frequency[0] * x + frequency[1] * y) + phase))


def write_synthetic(name: str, folder: Path, *, images_per_class: int = 20, seed: int = 0, **form: Any) -> Path:
    """Write the data set `name` into `folder` in its real format, and return the root to read it from.

    `form` chooses among the forms that a format has: `packed=True` (mnist, fashion_mnist: gzipped files), `extra=True`
    (svhn), `layout="folder"` (ages: one folder per age), `layout="train_val_test"`, `"train_test"` or `"one"`
    (image_folder), `size` and `classes` (image_folder, imagenet, npz, ages). Raises ValueError for an unknown name.
    """
    if name not in WRITERS:
        raise ValueError(unknown_name("synthetic data set", name, WRITERS, "those that can be made"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("Made by a program in this data set's format: noise around one pattern per class.\n")
    return WRITERS[name](folder, Recipe(images_per_class, seed), **form) or folder


def _idx(class_name: str) -> Callable[..., None]:
    def write(folder: Path, recipe: Recipe, packed: bool = False) -> None:
        raw = folder / class_name / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        for part in ("pool", "test"):
            images, labels = recipe.part(part, 10, 1, 28, 28)
            contents = (
                struct.pack(">4i", 2051, len(images), 28, 28) + images.tobytes(),
                struct.pack(">2i", 2049, len(labels)) + labels.astype(np.uint8).tobytes(),
            )
            for name, content in zip(file_names(part), contents, strict=True):
                if packed:
                    (raw / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
                else:
                    (raw / name).write_bytes(content)

    return write


def _cifar10(folder: Path, recipe: Recipe) -> None:
    inside = folder / FOLDERS["CIFAR10"]
    images, labels = recipe.part("pool", 10, 3, 32, 32)
    for number, index in enumerate(np.array_split(np.arange(len(labels)), 5), 1):
        _pickle(inside / f"data_batch_{number}", {"data": _rows(images[index]), "labels": labels[index].tolist()})
    images, labels = recipe.part("test", 10, 3, 32, 32)
    _pickle(inside / "test_batch", {"data": _rows(images), "labels": labels.tolist()})
    _pickle(inside / "batches.meta", {"label_names": list(CIFAR10_CLASSES), "num_vis": 3072})


def _cifar100(folder: Path, recipe: Recipe) -> None:
    from trainables.similarity.cifar100 import SUPERCLASSES

    inside, coarse = folder / FOLDERS["CIFAR100"], sorted(SUPERCLASSES)
    fine = sorted(name for names in SUPERCLASSES.values() for name in names)
    superclass = [next(i for i, each in enumerate(coarse) if name in SUPERCLASSES[each]) for name in fine]
    for file, part in (("train", "pool"), ("test", "test")):
        images, labels = recipe.part(part, 100, 3, 32, 32)
        coarse_labels = [superclass[label] for label in labels]
        content = {"data": _rows(images), "fine_labels": labels.tolist(), "coarse_labels": coarse_labels}
        _pickle(inside / file, content)
    _pickle(inside / "meta", {"fine_label_names": fine, "coarse_label_names": coarse})


def _rows(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def _pickle(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(dict(content), protocol=4))


def _svhn(folder: Path, recipe: Recipe, extra: bool = False) -> None:
    from scipy.io import savemat

    for split in ("train", "test", *(["extra"] if extra else [])):
        images, labels = recipe.part("pool" if split == "train" else split, 10, 3, 32, 32)
        content = {"X": images.transpose(2, 3, 1, 0), "y": np.where(labels == 0, 10, labels)[:, None].astype(np.uint8)}
        savemat(folder / f"{split}_32x32.mat", content, do_compression=True)


def _ages(folder: Path, recipe: Recipe, layout: str = "name", size: int = 72, classes: int = 12) -> None:
    images, labels = recipe.part("pool", classes, 3, size, size + 4)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        age, gender = label + 1, number % 2
        if layout == "folder":
            _save(image, folder / str(age) / f"11{gender + 1}" / f"{number}-0.jpg")
        else:
            _save(image, folder / f"{age}_{gender}_0_201701{number:012d}.jpg.chip.jpg")


def _image_folder(folder: Path, recipe: Recipe, layout: str = "train_test", size: int = 16, classes: int = 4) -> None:
    parts = {"one": {"pool": ""}, "train_test": {"pool": "train", "test": "test"}}
    _tree(folder, recipe, parts.get(layout, {"pool": "train", "val": "val", "test": "test"}), size, classes, "png")


def _imagenet(folder: Path, recipe: Recipe, size: int = 280, classes: int = 4) -> None:
    _tree(folder, recipe, {"pool": "train", "test": "val"}, size, classes, "JPEG")


def _tree(folder: Path, recipe: Recipe, parts: Mapping[str, str], size: int, classes: int, ending: str) -> None:
    for part, inside in parts.items():
        images, labels = recipe.part(part, classes, 3, size, size)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            _save(image, folder / inside / f"n{label:08d}" / f"{number:05d}.{ending}")


def _npz(folder: Path, recipe: Recipe, size: int = 16, classes: int = 4) -> Path:
    arrays: dict[str, np.ndarray] = {}
    for part, said in (("pool", "train"), ("test", "test")):
        images, labels = recipe.part(part, classes, 3, size, size)
        arrays |= {f"x_{said}": images.transpose(0, 2, 3, 1), f"y_{said}": labels.astype(np.uint8)}
    path = folder / "images.npz"
    names = np.array([f"class {label}" for label in range(classes)])
    np.savez(path, **arrays, classes=names)  # type: ignore[arg-type]  # not the flag allow_pickle, as mypy fears
    return path


def _save(image: np.ndarray, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "PNG" if path.suffix == ".png" else "JPEG"
    Image.fromarray(image.transpose(1, 2, 0)).save(path, format=kind)


WRITERS: dict[str, Callable[..., Path | None]] = {
    "mnist": _idx("MNIST"),
    "fashion_mnist": _idx("FashionMNIST"),
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "svhn": _svhn,
    "ages": _ages,
    "image_folder": _image_folder,
    "imagenet": _imagenet,
    "npz": _npz,
}
