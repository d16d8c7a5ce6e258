"""What `study data check` says of a data set: counts, and copies of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainables.data.datasets import load_pool, load_test
from trainables.data.inspect import describe


def test_copies_are_counted_within_and_between_parts_and_under_another_label(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4), np.uint8)
    train, test = images[:20].copy(), images[20:].copy()
    train[1] = train[0]
    test[1] = test[0]
    test[2], test[3], test[4] = train[5], train[6], train[6]
    labels, test_labels = np.arange(20) % 2, np.arange(10) % 2
    test_labels[[2, 3, 4]] = 1 - labels[5], labels[6], labels[6]
    np.savez(tmp_path / "data.npz", x_train=train, y_train=labels, x_test=test, y_test=test_labels)
    found = describe({"name": "npz", "root": str(tmp_path / "data.npz")}, tmp_path)
    assert found["duplicates"] == {"pool": 1, "test": 2, "between": 3, "between_other_label": 1}
    assert found["parts"]["pool"]["per_class"] == {"0": 10, "1": 10}
    assert (found["classes"], found["shape"]) == (["0", "1"], [1, 4, 4])


def test_streamed_images_are_not_decoded_for_it(written: Callable[..., Path], tmp_path: Path) -> None:
    found = describe({"name": "imagenet", "root": str(written("imagenet"))}, tmp_path)
    assert (found["streamed"], found["duplicates"], found["synthetic"]) == (True, None, True)
    assert found["parts"]["pool"]["images"] == 40


def test_parts_of_different_shape_are_refused(tmp_path: Path) -> None:
    x, y = np.zeros((4, 5, 5), np.uint8), np.arange(4) % 2
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x[:, 1:], y_test=y)
    with pytest.raises(ValueError, match="pool images are 1x5x5, test images 1x4x5"):
        describe({"name": "npz", "root": str(tmp_path / "data.npz")}, tmp_path)


def test_a_test_set_that_is_the_pool_is_refused_here_and_where_it_confirms(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).integers(0, 256, (8, 5, 5), np.uint8), np.arange(8) % 2
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    dataset = {"name": "npz", "root": str(tmp_path / "data.npz")}
    with pytest.raises(ValueError, match="its test images are those of its pool") as refused:
        describe(dataset, tmp_path)
    with pytest.raises(ValueError, match="its test images are those of its pool"):
        load_test(dataset | {"digest": load_pool(dataset, tmp_path).digest}, tmp_path)
    assert "\n" not in str(refused.value)
