"""What was decoded is found again: by its files, by its digest; what changed is not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from trainables.data.datasets import SOURCES, check_dataset, load_pool, load_test, located
from trainables.data.fixtures import write_synthetic


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_synthetic("cifar10", tmp_path / "data", images_per_class=5)


def never(*_: object) -> NoReturn:
    raise AssertionError("decoded again")


def without_reading(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    import dataclasses

    monkeypatch.setitem(SOURCES, name, dataclasses.replace(SOURCES[name], read=never))


def test_the_second_start_neither_decodes_nor_hashes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = {"name": "cifar10", "root": str(root)}
    first = [load(dataset, tmp_path) for load in (load_pool, load_test)]
    without_reading(monkeypatch, "cifar10")
    monkeypatch.setattr("trainables.data.datasets.load.cut", never)
    again = [load(dataset, tmp_path) for load in (load_pool, load_test)]
    for before, after in zip(first, again, strict=True):
        assert before.digest == after.digest
        assert before.synthetic
        assert after.synthetic
        np.testing.assert_array_equal(before.images, after.images)


def test_arrays_are_mapped_from_the_cache_and_cannot_be_written(root: Path, tmp_path: Path) -> None:
    pool = load_pool({"name": "cifar10", "root": str(root)}, tmp_path)
    assert isinstance(pool.images, np.memmap)
    assert Path(pool.images.filename) == tmp_path / "datasets" / f"cifar10-pool-{pool.digest}" / "images.npy"
    with pytest.raises(ValueError, match="read-only"):
        pool.images[0] = 0


def test_a_digest_finds_its_arrays_where_the_files_are_not(root: Path, tmp_path: Path) -> None:
    dataset = {"name": "cifar10", "root": str(root)}
    pool = load_pool(dataset, tmp_path)
    shutil.rmtree(root)
    found = load_pool({"name": "cifar10", "root": "/no/where", "digest": pool.digest}, tmp_path)
    np.testing.assert_array_equal(found.images, pool.images)
    with pytest.raises(ValueError, match="needs files: no folder /no/where"):
        load_pool({"name": "cifar10", "root": "/no/where", "digest": "0" * 16}, tmp_path)


def test_data_of_another_digest_than_planned_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"planned with 0000000000000000: the data has changed"):
        load_pool({"name": "cifar10", "root": str(root), "digest": "0" * 16}, tmp_path)


def test_a_changed_file_is_another_digest_and_a_touched_one_the_same(tmp_path: Path) -> None:
    path = write_synthetic("npz", tmp_path / "data")
    dataset = {"name": "npz", "root": str(path)}
    before = load_pool(dataset, tmp_path).digest
    os.utime(path, ns=(5, 5))
    assert load_pool(dataset, tmp_path).digest == before
    arrays = dict(np.load(path))
    arrays["x_train"][0, 0, 0, 0] ^= 1
    np.savez(path, **arrays)
    assert load_pool(dataset, tmp_path).digest != before


def test_a_moved_root_and_another_cache_are_the_same_digest(root: Path, tmp_path: Path) -> None:
    here = load_pool({"name": "cifar10", "root": str(root)}, tmp_path / "a")
    moved = shutil.move(root, tmp_path / "moved")
    assert load_pool({"name": "cifar10", "root": str(moved)}, tmp_path / "a").digest == here.digest
    assert load_pool({"name": "cifar10", "root": str(moved)}, tmp_path / "b").digest == here.digest
    assert len(list((tmp_path / "a" / "datasets").glob("cifar10-pool-*"))) == 1


def test_a_deleted_entry_is_made_again_although_its_files_are_still_noted(root: Path, tmp_path: Path) -> None:
    dataset = {"name": "cifar10", "root": str(root)}
    pool = load_pool(dataset, tmp_path)
    shutil.rmtree(tmp_path / "datasets" / f"cifar10-pool-{pool.digest}")
    assert load_pool(dataset, tmp_path).digest == pool.digest


def test_names_of_classes_are_part_of_the_digest(tmp_path: Path) -> None:
    path = write_synthetic("npz", tmp_path / "data")
    dataset = {"name": "npz", "root": str(path)}
    before = load_pool(dataset, tmp_path)
    np.savez(path, **(dict(np.load(path)) | {"classes": np.array(list("abcd"))}))
    after = load_pool(dataset, tmp_path)
    assert before.digest != after.digest
    assert after.class_names == tuple("abcd")


def test_the_root_comes_from_the_environment_where_none_is_given(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDY_DATA", str(root))
    assert len(load_pool({"name": "cifar10"}, tmp_path).labels) == 50
    assert located({"name": "cifar10"})["root"] == str(root)
    assert "root" not in located({"name": "digits"})
    monkeypatch.delenv("STUDY_DATA")
    with pytest.raises(ValueError, match="data set 'cifar10' needs files: no folder is named; give --data DIR"):
        load_pool({"name": "cifar10"}, tmp_path / "other")


def test_how_to_fetch_missing_files_says_the_options_that_were_given(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ValueError, match=r"or run: study data fetch svhn --data DIR --set extra=true$"):
            load_pool({"name": "svhn", "root": str(root), "extra": True}, tmp_path)
        with pytest.raises(ValueError, match=r"or run: study data fetch svhn --data DIR$"):
            load_pool({"name": "svhn", "root": str(root)}, tmp_path)


def test_noted_sources_are_json_and_leave_no_drafts(root: Path, tmp_path: Path) -> None:
    pool = load_pool({"name": "cifar10", "root": str(root)}, tmp_path)
    (note,) = (tmp_path / "datasets" / "sources").iterdir()
    assert json.loads(note.read_text()) == {"digest": pool.digest}


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ({"name": "digit"}, r"unknown data set 'digit'; did you mean 'digits'\?"),
        ({"name": "digits", "limt": 3}, r"unknown option 'limt'; did you mean 'limit'\?"),
        ({"name": "svhn", "extras": True}, r"unknown option 'extras'; did you mean 'extra'\?"),
        ({"name": "svhn", "extra": 1}, "extra = 1 is neither true nor false"),
        ({"name": "digits", "root": "."}, "data set 'digits' is read from no files; remove its root"),
        ({"name": "digits", "classes": []}, r"classes = \[\] is not a list of class names"),
        ({"name": "digits", "classes": [1], "leave_out": [2]}, "classes and leave_out exclude one another"),
        ({"name": "ages", "oldest": 1}, "oldest = 1 is not a whole number of at least 2"),
    ],
)
def test_a_description_that_cannot_be_met_is_refused(dataset: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        check_dataset(dataset)
