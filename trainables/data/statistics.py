"""What a data set's pixels are like."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainables.data.datasets import Images
from trainables.data.store import cached_arrays, content_hash

AT_ONCE = 1000  # images
OF_A_STREAM = 5000


def pixel_statistics(pool: Images, index: np.ndarray, split_digest: str, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per channel of the images at `index`, each `[channels]`, on a scale of 0 to 1.

    Counted once and kept by pool and split. A channel that never varies has deviation 1. Of streamed images, 5,000
    evenly spaced ones are looked at, since each has to be decoded.
    """

    def make() -> tuple[dict[str, np.ndarray], dict[str, str]]:
        chosen = np.asarray(index)
        if pool.streamed:
            chosen = chosen[:: -(-len(chosen) // OF_A_STREAM)]
        return {"counts": pixel_counts(pool, chosen)}, {}

    folder = cache / "statistics" / content_hash(pool.digest, split_digest)
    counts = cached_arrays(folder, make)[0]["counts"]
    values, number = np.arange(256) / 255, counts.sum(axis=1)
    mean = counts @ values / number
    deviation = np.sqrt((counts * (values - mean[:, None]) ** 2).sum(axis=1) / number)
    return mean, np.where(deviation > 0, deviation, 1.0)


def pixel_counts(pool: Images, index: np.ndarray) -> np.ndarray:
    """How often each channel has each value from 0 to 255 in the images at `index`, `[channels, 256]`."""
    counts = np.zeros((pool.image_shape[0], 256), np.int64)
    for start in range(0, len(index), AT_ONCE):
        images = pool.images[index[start : start + AT_ONCE]]
        for channel in range(len(counts)):
            counts[channel] += np.bincount(images[:, channel].ravel(), minlength=256)
    return counts
