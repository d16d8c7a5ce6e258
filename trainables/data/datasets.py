"""Data sets by name, decoded once into uint8 images `[N, channels, height, width]` and int64 labels `[N]`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.store import Arrays, cached_arrays, content_hash
from trainables.names import unknown_name

FORMAT = 1  # raised when decoding changes, so that stale arrays are not read


@dataclass(frozen=True)
class Images:
    """One part of a data set. `digest` is the hash of images and labels."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    digest: str

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.images.shape[1:]
        return channels, height, width


@dataclass(frozen=True)
class Decoded:
    """A data set as its reader gives it: images and labels of `pool` (split by us) and `test`."""

    parts: dict[str, tuple[np.ndarray, np.ndarray]]
    class_names: tuple[str, ...]


def read_digits() -> Decoded:
    """scikit-learn's copy of the UCI handwritten digits: 1,797 grey images of 8x8, embedded in the library.

    It has no test set of its own: a stratified fifth (360 images, always the same) is set aside as one.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    pool, test = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=0)
    pool, test = np.sort(pool), np.sort(test)
    parts = {name: (images[part], labels[part]) for name, part in (("pool", pool), ("test", test))}
    return Decoded(parts, tuple("0123456789"))


READERS: dict[str, Callable[[], Decoded]] = {"digits": read_digits}


def check_dataset_name(name: str) -> None:
    """Refuse an unknown data set with ValueError."""
    if name not in READERS:
        raise ValueError(unknown_name("data set", name, sorted(READERS), "data sets"))


def load_pool(name: str, cache: Path) -> Images:
    """The images that a study may train and validate on."""
    return _load(name, "pool", cache)


def load_test(name: str, cache: Path) -> Images:
    """The test images: for the confirmation of chosen configurations, never for a search."""
    return _load(name, "test", cache)


def _load(name: str, part: str, cache: Path) -> Images:
    check_dataset_name(name)

    def make() -> tuple[Arrays, dict[str, Any]]:
        decoded = READERS[name]()
        images, labels = decoded.parts[part]
        facts = {"class_names": decoded.class_names, "digest": content_hash(images, labels)}
        return {"images": images, "labels": labels}, facts

    arrays, facts = cached_arrays(cache / "datasets" / f"{name}-{part}-{FORMAT}", make)
    return Images(name, arrays["images"], arrays["labels"], tuple(facts["class_names"]), facts["digest"])
