"""Faces by age: both layouts, classes in their order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.trainables.data.conftest import nearest
from trainables.data.datasets import load_pool, load_test
from trainables.data.fixtures import patterns, write_synthetic


@pytest.mark.parametrize("layout", ["name", "folder"])
def test_both_layouts_give_images_of_60_by_60_in_ordered_classes(
    layout: str, written: Callable[..., Path], tmp_path: Path
) -> None:
    dataset = {"name": "ages", "root": str(written("ages", layout=layout))}
    pool, test = load_pool(dataset, tmp_path), load_test(dataset, tmp_path)
    assert pool.ordered
    assert test.ordered
    assert pool.image_shape == (3, 60, 60)
    assert pool.class_names == tuple(str(age) for age in range(1, 13))
    assert (np.bincount(pool.labels).tolist(), np.bincount(test.labels).tolist()) == ([8] * 12, [2] * 12)
    near = nearest(pool.images, patterns(12, 3, 60, 60))  # of other proportions, so that most but not all fit
    assert (near == pool.labels).mean() > 0.9


def test_older_faces_are_left_out_and_ages_without_a_face_stay_classes(tmp_path: Path) -> None:
    root = write_synthetic("ages", tmp_path / "data", images_per_class=5)
    for path in root.glob("3_*"):
        path.unlink()
    dataset = {"name": "ages", "root": str(root)}
    all_ages = load_pool(dataset, tmp_path)
    up_to_six = load_pool(dataset | {"oldest": 6}, tmp_path)
    assert all_ages.class_names == ("1", "2", "4", "5", "6", "7", "8", "9", "10", "11", "12")
    assert up_to_six.class_names == ("1", "2", "3", "4", "5", "6")
    assert sorted(set(up_to_six.labels.tolist())) == [0, 1, 3, 4, 5]


def test_a_name_without_an_age_is_said(tmp_path: Path) -> None:
    root = write_synthetic("ages", tmp_path / "data", images_per_class=2)
    next(root.glob("3_*")).rename(root / "face.jpg")
    with pytest.raises(ValueError, match=r"face\.jpg: no age: its name begins with one, 25_0_2\.jpg"):
        load_pool({"name": "ages", "root": str(root)}, tmp_path)


def test_one_age_is_no_task(tmp_path: Path) -> None:
    root = write_synthetic("ages", tmp_path / "data", images_per_class=2)
    for path in root.glob("2_*"):
        path.unlink()
    with pytest.raises(ValueError, match="1 ages up to 2; at least 2 are needed"):
        load_pool({"name": "ages", "root": str(root), "oldest": 2}, tmp_path)
