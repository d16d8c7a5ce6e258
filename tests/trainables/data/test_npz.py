"""Arrays in one file: the forms that are read, and what is said of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables.data.datasets import load_pool, load_test

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 6, 5, 3), np.uint8)
LABELS = np.arange(60) % 3
PLAIN = {"x_train": IMAGES[:45], "y_train": LABELS[:45], "x_test": IMAGES[45:], "y_test": LABELS[45:]}


def saved(folder: Path, **arrays: Any) -> dict[str, str]:
    np.savez(folder / "data.npz", **arrays)
    return {"name": "npz", "root": str(folder / "data.npz")}


def test_names_of_medmnists_form_with_its_own_validation_part_are_read(tmp_path: Path) -> None:
    arrays = {
        "train_images": IMAGES[:30, ..., 0], "train_labels": LABELS[:30, None], "val_images": IMAGES[30:45, ..., 0],
        "val_labels": LABELS[30:45, None], "test_images": IMAGES[45:, ..., 0], "test_labels": LABELS[45:, None],
    }  # fmt: skip
    dataset = saved(tmp_path, **arrays)
    pool, test = load_pool(dataset, tmp_path), load_test(dataset, tmp_path)
    np.testing.assert_array_equal(pool.images[:, 0], IMAGES[:45, ..., 0])
    np.testing.assert_array_equal(pool.labels, LABELS[:45])
    np.testing.assert_array_equal(pool.val_index, np.arange(30, 45))
    np.testing.assert_array_equal(test.images[:, 0], IMAGES[45:, ..., 0])
    assert pool.class_names == test.class_names == ("0", "1", "2")


def test_channels_first_and_channels_last_are_told_apart(tmp_path: Path) -> None:
    last = load_pool(saved(tmp_path, **PLAIN), tmp_path)
    first = load_pool(saved(tmp_path, **PLAIN | {"x_train": IMAGES[:45].transpose(0, 3, 1, 2)}), tmp_path)
    assert last.image_shape == (3, 6, 5)
    assert last.digest == first.digest


def test_images_and_labels_alone_are_split_by_us_always_alike(tmp_path: Path) -> None:
    dataset = saved(tmp_path, images=IMAGES, labels=LABELS)
    pool, test = load_pool(dataset, tmp_path), load_test(dataset, tmp_path)
    assert np.bincount(pool.labels).tolist() == [16] * 3
    assert np.bincount(test.labels).tolist() == [4] * 3
    assert len({image.tobytes() for part in (pool, test) for image in part.images}) == 60
    assert load_pool(dataset, tmp_path / "other").digest == pool.digest


def test_a_test_set_that_lacks_the_highest_class_has_all_classes_of_the_pool(tmp_path: Path) -> None:
    dataset = saved(tmp_path, **PLAIN | {"y_test": np.zeros(15, int)})
    assert load_test(dataset, tmp_path).num_classes == 3


def test_a_class_that_is_named_may_be_without_images(tmp_path: Path) -> None:
    gap = PLAIN | {"y_train": LABELS[:45] * 2, "y_test": LABELS[45:] * 2, "classes": np.array(list("abcde"))}
    assert load_pool(saved(tmp_path, **gap), tmp_path).class_names == tuple("abcde")


def test_the_only_npz_file_of_a_folder_is_found_and_of_several_none(tmp_path: Path) -> None:
    saved(tmp_path, **PLAIN)
    folder = {"name": "npz", "root": str(tmp_path)}
    assert len(load_pool(folder, tmp_path / "c").labels) == 45
    (tmp_path / "other.npz").touch()
    with pytest.raises(ValueError, match=r"2 \.npz files in .*: the root names one"):
        load_pool(folder, tmp_path / "c")


WRONG = {
    "labels beyond the classes": (
        PLAIN | {"classes": np.array(["a", "b"])}, "label 2 is none of its 2 classes, 0 to 1"
    ),
    "negative labels": (PLAIN | {"y_train": LABELS[:45] - 1}, "label -1 is none of its 2 classes"),
    "a gap in the labels": (
        PLAIN | {"y_train": LABELS[:45] * 2}, r"pool: class 1 is without images, of the labels up to 4; number classes"
    ),
    "numbers for images": (PLAIN | {"x_train": IMAGES[:45] / 255}, "images are float64; give uint8"),
    "numbers for labels": (PLAIN | {"y_train": LABELS[:45] / 2}, r"labels of shape \[45\], float64"),
    "fewer labels": (PLAIN | {"y_train": LABELS[:44]}, "45 images and 44 labels"),
    "five channels": (PLAIN | {"x_train": np.zeros((45, 6, 6, 5), np.uint8)}, r"is \[N, height, width, 1 or 3\]"),
    "other names": ({"pictures": IMAGES, "names": LABELS}, "it holds names, pictures; wanted are x_train"),
    "no images": (PLAIN | {"x_train": IMAGES[:0], "y_train": LABELS[:0]}, "no images"),
    "an object": (
        PLAIN | {"y_train": np.array([{}] * 45, dtype=object)}, "y_train holds Python objects, .*; make it numbers"
    ),
    "objects for names": (
        PLAIN | {"classes": np.array(["a", "b", None], dtype=object)},
        r"data\.npz: classes holds Python objects, which could run code .*; make it text, as in np\.array",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_file_is_said(wrong: str, tmp_path: Path) -> None:
    arrays, expected = WRONG[wrong]
    with pytest.raises(ValueError, match=expected):
        load_pool(saved(tmp_path, **arrays), tmp_path)


def test_a_lone_array_is_told_from_a_damaged_file(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", IMAGES)
    with pytest.raises(ValueError, match=r"data\.npy: one array, a \.npy file; save several with np\.savez"):
        load_pool({"name": "npz", "root": str(tmp_path / "data.npy")}, tmp_path)
    saved(tmp_path, **PLAIN)
    cut = (tmp_path / "data.npz").read_bytes()[:2000]
    (tmp_path / "data.npz").write_bytes(cut)
    with pytest.raises(ValueError, match=r"data\.npz: truncated or damaged"):
        load_pool({"name": "npz", "root": str(tmp_path / "data.npz")}, tmp_path)
