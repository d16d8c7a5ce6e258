"""What a data set is to everyone who asks for one: images, labels, the names of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.data.datasets.image_files import ImageFiles


@dataclass(frozen=True)
class Images:
    """One part of a data set.

    `images` is uint8 `[N, channels, height, width]`, an array that all processes share, or an `ImageFiles` that
    decodes what it is indexed with; `labels` is int64 `[N]`. `digest` is the hash of all that determines what is
    learned from it: labels, names of the classes and pixels, or, where they are streamed, the files' paths and sizes
    and a sample of their contents (`ImageFiles.digest`). `ordered`: the classes are steps of a scale, such as ages.
    `synthetic`: made by a program, to try a data set's format. `val_index`: where the source has a validation part of
    its own, the images that are in it.
    """

    name: str
    images: Any
    labels: np.ndarray
    class_names: tuple[str, ...]
    digest: str
    ordered: bool = False
    synthetic: bool = False
    val_index: np.ndarray | None = None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def streamed(self) -> bool:
        """Whether images are decoded as they are asked for, and not kept."""
        return isinstance(self.images, ImageFiles)


@dataclass(frozen=True)
class Decoded:
    """A part as its reader gives it. Classes without names are called `0` to the pool's highest label, and each of
    them has images then; a class that is named may have none."""

    images: np.ndarray | ImageFiles
    labels: np.ndarray
    class_names: tuple[str, ...] | None
    ordered: bool = False
    val_index: np.ndarray | None = None

    def taken(self, index: np.ndarray) -> Decoded:
        """Its images at `index`, sorted indices without repeats."""
        val_index = self.val_index
        if val_index is not None:
            val_index = np.flatnonzero(np.isin(index, val_index))
        images = self.images.taken(index) if isinstance(self.images, ImageFiles) else self.images[index]
        return Decoded(images, self.labels[index], self.class_names, self.ordered, val_index)
