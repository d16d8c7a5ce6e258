"""Statistics of uint8 images, block by block, so that they take no more memory than a block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

BLOCK = 512  # images at a time
SAMPLE = 2000  # images of a data set that is decoded on demand


def channel_statistics(images: Any, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the pixels per channel, each `[channels]`, on a scale of 0 to 1.

    Of the images at `index`, from exact counts of the 256 values. A channel that never changes has deviation 1.
    """
    counts = np.zeros((images.shape[1], 256))
    for block in _blocks(images, index):
        for channel, count in enumerate(counts):
            count += np.bincount(block[:, channel].ravel(), minlength=256)
    values = np.arange(256) / 255.0
    shares = counts / counts.sum(1, keepdims=True)
    mean = shares @ values
    deviation = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(1))
    return mean, np.where(deviation > 0, deviation, 1.0)


def mean_image(images: Any, index: np.ndarray) -> np.ndarray:
    """Mean of each pixel, `[channels, height, width]`, on a scale of 0 to 1, of the images at `index`."""
    total = sum(block.sum(0, dtype=np.int64) for block in _blocks(images, index))
    return np.asarray(total / (255.0 * len(index)))


def representative(images: Any, index: np.ndarray) -> np.ndarray:
    """The part of `index` to take statistics of: all of it, or 2,000 evenly spread where images are decoded on demand,
    one at a time."""
    if isinstance(images, np.ndarray) or len(index) <= SAMPLE:
        return index
    return index[np.linspace(0, len(index) - 1, SAMPLE).round().astype(np.int64)]


def _blocks(images: Any, index: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(index), BLOCK):
        yield images[index[start : start + BLOCK]]
