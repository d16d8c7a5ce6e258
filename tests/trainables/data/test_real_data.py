"""The real MNIST and CIFAR-10, where a machine has them.

STUDY_TEST_DATA names a folder with `MNIST/raw/*-ubyte`, `cifar10.npz` and `cifar10/train/CLASS/*.png`, or some of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from trainables.data.datasets import load_pool, load_test
from trainables.data.inspect import describe
from trainables.data.pixels import channel_statistics


def real(inside: str) -> Path:
    """The folder of real data; skips where `inside` is not in it."""
    folder = os.environ.get("STUDY_TEST_DATA")
    if not folder or not Path(folder, inside).exists():
        pytest.skip(f"no {inside} in STUDY_TEST_DATA, which names a folder of real data")
    return Path(folder)


def test_mnist_is_whole(tmp_path: Path) -> None:
    dataset = {"name": "mnist", "root": str(real("MNIST/raw"))}
    pool, test = load_pool(dataset, tmp_path), load_test(dataset, tmp_path)
    assert np.bincount(pool.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert (pool.images.shape, test.images.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    (mean,), (deviation,) = channel_statistics(pool.images, np.arange(60_000))
    assert (mean, deviation) == pytest.approx((0.1307, 0.3081), abs=5e-5)  # as published everywhere
    assert describe(dataset, tmp_path)["duplicates"]["between"] == 0


def test_cifar10_is_the_same_from_arrays_and_from_a_folder_of_images(tmp_path: Path) -> None:
    arrays = load_pool({"name": "npz", "root": str(real("cifar10.npz") / "cifar10.npz")}, tmp_path)
    means, _ = channel_statistics(arrays.images, np.arange(50_000))
    assert means * 255 == pytest.approx([125.3069, 122.9504, 113.8654], abs=1e-3)
    assert np.bincount(arrays.labels).tolist() == [5000] * 10
    files = load_pool({"name": "image_folder", "root": str(real("cifar10/train") / "cifar10")}, tmp_path)
    assert arrays.digest == files.digest
