"""Digits: exact counts, two parts that share no image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainables.data.datasets import load_pool, load_test


def as_rows(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in np.asarray(images)}


def test_digits_have_a_pool_of_1437_and_a_test_set_of_360_that_share_no_image(cache: Path) -> None:
    pool, test = load_pool({"name": "digits"}, cache), load_test({"name": "digits"}, cache)
    assert pool.images.shape == (1437, 1, 8, 8)
    assert test.images.shape == (360, 1, 8, 8)
    assert pool.images.dtype == np.uint8
    assert pool.image_shape == (1, 8, 8)
    assert len(as_rows(pool.images) | as_rows(test.images)) == 1797  # all 1,797 differ, so none lies in both
    assert np.asarray(pool.images).max() == 255


def test_digits_test_set_has_a_fifth_of_every_class(cache: Path) -> None:
    pool, test = (np.bincount(part({"name": "digits"}, cache).labels, minlength=10) for part in (load_pool, load_test))
    assert (np.abs(test - (pool + test) / 5) < 1).all()
