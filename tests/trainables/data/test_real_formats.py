"""Every data set through its real format: nothing turned, no channel swapped, no test file touched for the pool."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.trainables.data.conftest import nearest
from trainables.data.datasets import SOURCES, load_pool, load_test
from trainables.data.fixtures import WRITERS, patterns, write_synthetic

SHAPES = {
    "mnist": (10, 1, 28, 28), "fashion_mnist": (10, 1, 28, 28), "cifar10": (10, 3, 32, 32),
    "cifar100": (100, 3, 32, 32), "svhn": (10, 3, 32, 32), "image_folder": (4, 3, 16, 16), "npz": (4, 3, 16, 16),
}  # fmt: skip
OF_THE_TEST = {
    "mnist": ["MNIST/raw/t10k-images-idx3-ubyte", "MNIST/raw/t10k-labels-idx1-ubyte"],
    "fashion_mnist": ["FashionMNIST/raw/t10k-images-idx3-ubyte", "FashionMNIST/raw/t10k-labels-idx1-ubyte"],
    "cifar10": ["cifar-10-batches-py/test_batch"],
    "cifar100": ["cifar-100-python/test"],
    "svhn": ["test_32x32.mat"],
    "image_folder": ["test"],
    "imagenet": ["val"],
}


def test_every_data_set_that_has_files_can_be_made() -> None:
    assert set(WRITERS) == {name for name, source in SOURCES.items() if source.needs_root}


@pytest.mark.parametrize("name", SHAPES)
def test_images_and_labels_come_through_the_real_format_as_they_were(
    name: str, written: Callable[..., Path], tmp_path: Path
) -> None:
    classes, *shape = SHAPES[name]
    for load, per_class in ((load_pool, 10), (load_test, 2)):
        part = load({"name": name, "root": str(written(name))}, tmp_path)
        assert part.images.shape == (classes * per_class, *shape)
        assert (part.images.dtype, part.labels.dtype) == (np.uint8, np.int64)
        assert (np.bincount(part.labels) == per_class).all()
        np.testing.assert_array_equal(nearest(part.images, patterns(classes, *shape)), part.labels)
        assert part.synthetic
        assert not part.ordered


@pytest.mark.parametrize("name", OF_THE_TEST)
def test_the_pool_is_the_same_where_test_files_are_absent_or_damaged(name: str, tmp_path: Path) -> None:
    root = write_synthetic(name, tmp_path / "data", images_per_class=5)
    dataset = {"name": name, "root": str(root)}
    whole = load_pool(dataset, tmp_path / "whole")
    for inside in OF_THE_TEST[name]:
        for path in sorted((root / inside).rglob("*.*")) if (root / inside).is_dir() else [root / inside]:
            path.write_bytes(b"no image, no label") if path.is_file() else None
    damaged = load_pool(dataset, tmp_path / "damaged")
    for inside in OF_THE_TEST[name]:
        shutil.rmtree(root / inside) if (root / inside).is_dir() else (root / inside).unlink()
    absent = load_pool(dataset, tmp_path / "absent")
    assert whole.digest == damaged.digest == absent.digest
    np.testing.assert_array_equal(whole.images[:], absent.images[:])
    with pytest.raises(ValueError, match=r"needs files|no folder"):
        load_test(dataset, tmp_path / "absent")


def test_the_pool_of_an_npz_file_is_the_same_whatever_its_test_labels_are(tmp_path: Path) -> None:
    path = write_synthetic("npz", tmp_path / "data")
    before = load_pool({"name": "npz", "root": str(path)}, tmp_path / "cache")
    arrays = dict(np.load(path))
    np.savez(path, **(arrays | {"y_test": arrays["y_test"][::-1] + 100, "x_test": np.zeros(3)}))
    os.utime(path, ns=(1, 1))
    assert load_pool({"name": "npz", "root": str(path)}, tmp_path / "cache").digest == before.digest


def test_gzipped_idx_files_give_what_plain_ones_give(written: Callable[..., Path], tmp_path: Path) -> None:
    plain = load_pool({"name": "mnist", "root": str(written("mnist"))}, tmp_path)
    packed = load_pool({"name": "mnist", "root": str(written("mnist", packed=True))}, tmp_path / "other")
    assert plain.digest == packed.digest


def test_extra_images_of_svhn_stand_behind_the_training_images(written: Callable[..., Path], tmp_path: Path) -> None:
    root = str(written("svhn", extra=True))
    less, more = (load_pool({"name": "svhn", "root": root, "extra": extra}, tmp_path) for extra in (False, True))
    assert (len(less.labels), len(more.labels)) == (100, 120)
    np.testing.assert_array_equal(more.images[:100], less.images)


def test_svhns_label_10_is_the_digit_0(written: Callable[..., Path], tmp_path: Path) -> None:
    part = load_pool({"name": "svhn", "root": str(written("svhn"))}, tmp_path)
    assert part.class_names[0] == "0"
    assert (part.labels == 0).sum() == 10


def test_cifar100s_classes_are_the_fine_ones_in_their_order(written: Callable[..., Path], tmp_path: Path) -> None:
    names = load_pool({"name": "cifar100", "root": str(written("cifar100"))}, tmp_path).class_names
    assert (names[0], names[1], names[99], len(names)) == ("apple", "aquarium_fish", "worm", 100)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cifar10", "cifar-10-batches-py/data_batch_3"),
        ("cifar100", "cifar-100-python/train"),
        ("svhn", "train_32x32.mat"),
        ("mnist", "MNIST/raw/train-images-idx3-ubyte.gz"),
    ],
)
def test_without_its_mark_a_file_whose_checksum_is_not_the_published_one_is_refused(
    name: str, file: str, tmp_path: Path
) -> None:
    form = {"packed": True} if name == "mnist" else {}
    root = write_synthetic(name, tmp_path / "data", images_per_class=2, **form)
    (root / "SYNTHETIC").unlink()
    with pytest.raises(ValueError, match=r"checksum is not the published one; fetch it again") as refused:
        load_pool({"name": name, "root": str(root)}, tmp_path)
    assert Path(file).parent.name in str(refused.value)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cifar10", "cifar-10-batches-py/data_batch_2"),
        ("svhn", "train_32x32.mat"),
        ("mnist", "MNIST/raw/train-images-idx3-ubyte"),
        ("fashion_mnist", "FashionMNIST/raw/train-labels-idx1-ubyte"),
        ("npz", "images.npz"),
    ],
)
def test_a_truncated_file_is_named_in_one_line(name: str, file: str, tmp_path: Path) -> None:
    write_synthetic(name, tmp_path / "data", images_per_class=4)
    path = tmp_path / "data" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"truncated or damaged") as refused:
        load_pool({"name": name, "root": str(tmp_path / "data")}, tmp_path)
    assert Path(file).name in str(refused.value) or Path(file).parent.name in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kept", [0, 3, 10, 40])
@pytest.mark.parametrize("packed", [False, True])
def test_of_a_damaged_idx_file_alone_the_name_is_said(packed: bool, kept: int, tmp_path: Path) -> None:
    write_synthetic("mnist", tmp_path / "data", images_per_class=4, packed=packed)
    path = tmp_path / "data" / "MNIST" / "raw" / f"train-labels-idx1-ubyte{'.gz' if packed else ''}"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte(\.gz)?: truncated or damaged: ") as refused:
        load_pool({"name": "mnist", "root": str(tmp_path / "data")}, tmp_path)
    assert "train-images" not in str(refused.value)
    assert "base 16" not in str(refused.value)


def test_a_batch_that_would_run_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> object:
            return os.mkdir, (str(tmp_path / "ran"),)

    root = write_synthetic("cifar10", tmp_path / "data", images_per_class=5)
    (root / "cifar-10-batches-py" / "data_batch_1").write_bytes(pickle.dumps({"data": Bomb(), "labels": []}))
    with pytest.raises(ValueError, match=r"data_batch_1: .*mkdir, which plain arrays do not need"):
        load_pool({"name": "cifar10", "root": str(root)}, tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "npz"])
def test_files_are_also_found_in_a_folder_named_as_the_data_set(name: str, tmp_path: Path) -> None:
    root = write_synthetic(name, tmp_path / "all" / name, images_per_class=5)
    direct = load_pool({"name": name, "root": str(root)}, tmp_path / "a")
    if name in ("mnist", "fashion_mnist", "cifar10", "cifar100", "svhn", "ages", "image_folder", "imagenet"):
        (tmp_path / "all" / "SYNTHETIC").touch()
        below = load_pool({"name": name, "root": str(tmp_path / "all")}, tmp_path / "b")
        assert direct.digest == below.digest


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in ("npz", "image_folder")])
def test_missing_files_are_said_with_the_ways_to_give_them(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for root, said in ((tmp_path / "empty", "in "), (tmp_path / "none", f"no folder {tmp_path / 'none'}")):
        with pytest.raises(ValueError, match=f"data set '{name}' needs files: .*{said}") as refused:
            load_pool({"name": name, "root": str(root)}, tmp_path)
        assert "give --data DIR, set STUDY_DATA or dataset.root" in str(refused.value)
        fetched = SOURCES[name].fetch is not None
        assert (f"or run: study data fetch {name} --data DIR" in str(refused.value)) == fetched


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "npz"])
def test_a_root_that_is_a_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is a file, not a folder"):
        load_pool({"name": name, "root": str(tmp_path / "file")}, tmp_path)
