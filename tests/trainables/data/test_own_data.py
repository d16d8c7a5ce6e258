"""A data set of one's own, by import path: functions, Datasets, torchvision's classes."""

from __future__ import annotations

import importlib
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from trainables.data.datasets import check_dataset, load_pool, load_test

CODE = """\
import numpy as np
from PIL import Image
import torch

CALLS = []


def arrays(part, root=None, shade=10):
    CALLS.append((part, root))
    count = 12 if part == "train" else 4
    return np.full((count, 5, 5), shade, np.uint8), np.arange(count) % 4


class Shapes:
    classes, ordered = ["round", "square"], True

    def __init__(self, part, kind="pil"):
        self.kind = kind

    def __len__(self):
        return 6

    def __getitem__(self, index):
        pixels = np.zeros((4, 7, 3), np.uint8)
        pixels[..., 0] = 20 * index
        image = {"pil": Image.fromarray(pixels), "array": pixels,
                 "tensor": torch.from_numpy(pixels.transpose(2, 0, 1).copy()), "float": pixels / 255,
                 "mixed": pixels[: 4 - index % 2]}[self.kind]
        return image, index % 2


def broken(part, root=None):
    raise RuntimeError("the disk is on strike")


def nothing(part):
    return None


def one_source(count=60):
    return np.arange(count, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2), np.arange(count) % 3


def deaf(part):
    return one_source()


def open_ended(**arguments):
    return one_source()


class OnlyTrain(Shapes):
    def __init__(self, train=True):
        self.kind, self.train = "pil", train

    def __len__(self):
        return 6 if self.train else 4


class Parent(Shapes):
    def __init__(self, root, train=True, kind="pil"):
        self.root, self.train, self.kind = root, train, kind

    def __len__(self):
        return 6 if self.train else 4


class LikeEmnist(Parent):
    def __init__(self, root, split, **kwargs):
        assert split == "digits"
        super().__init__(root, **kwargs)


class LikeQmnist(Parent):
    def __init__(self, root, what=None, train=True, **kwargs):
        super().__init__(root, (what or ("train" if train else "test")) == "train", **kwargs)


NUMBER = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "pictures_of_mine.py"
    path.write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield path
    sys.modules.pop("pictures_of_mine", None)
    importlib.invalidate_caches()


def test_a_pair_of_arrays_is_read_and_told_part_root_and_options(module: Path, tmp_path: Path) -> None:
    dataset = {"name": "pictures_of_mine:arrays", "root": str(tmp_path / "there"), "shade": 77}
    (tmp_path / "there").mkdir()
    pool, test = load_pool(dataset, tmp_path / "c"), load_test(dataset, tmp_path / "c")
    assert pool.images.shape == (12, 1, 5, 5)
    assert test.images.shape == (4, 1, 5, 5)
    assert (np.asarray(pool.images) == 77).all()
    assert pool.class_names == ("0", "1", "2", "3")
    calls = sys.modules["pictures_of_mine"].CALLS
    assert calls == [("train", str(tmp_path / "there")), ("test", str(tmp_path / "there"))]


@pytest.mark.parametrize("kind", ["pil", "array", "tensor"])
def test_a_dataset_may_give_pil_images_arrays_or_tensors(kind: str, module: Path, tmp_path: Path) -> None:
    pool = load_pool({"name": "pictures_of_mine:Shapes", "kind": kind}, tmp_path / "c")
    assert pool.image_shape == (3, 4, 7)
    assert pool.images[:, 0, 0, 0].tolist() == [0, 20, 40, 60, 80, 100]
    assert (pool.images[:, 1:] == 0).all()
    assert (pool.class_names, pool.ordered) == (("round", "square"), True)


def test_the_code_counts_as_a_source_so_that_another_text_is_read_again(module: Path, tmp_path: Path) -> None:
    dataset = {"name": "pictures_of_mine:arrays"}
    before = load_pool(dataset, tmp_path / "c")
    load_pool(dataset, tmp_path / "c")
    assert len(sys.modules["pictures_of_mine"].CALLS) == 1
    module.write_text(CODE.replace("shade=10", "shade=11"))
    sys.modules.pop("pictures_of_mine")
    importlib.invalidate_caches()
    importlib.import_module("pictures_of_mine").__dict__["arrays"].__defaults__ = (None, 11)
    assert load_pool(dataset, tmp_path / "c").digest != before.digest


def test_a_class_of_torchvision_is_called_as_it_wants_to_be(written: Callable[..., Path], tmp_path: Path) -> None:
    root = str(written("mnist"))
    theirs = {"name": "torchvision.datasets:MNIST", "root": root}
    ours = {"name": "mnist", "root": root}
    for load in (load_pool, load_test):
        np.testing.assert_array_equal(load(theirs, tmp_path).images, load(ours, tmp_path).images)
        np.testing.assert_array_equal(load(theirs, tmp_path).labels, load(ours, tmp_path).labels)


def sizes(dataset: Mapping[str, object], cache: Path) -> tuple[int, int]:
    return len(load_pool(dataset, cache).labels), len(load_test(dataset, cache).labels)


def test_of_a_source_that_takes_no_part_a_fifth_of_every_class_is_the_test_set(module: Path, tmp_path: Path) -> None:
    dataset = {"name": "pictures_of_mine:one_source"}
    pool, test = load_pool(dataset, tmp_path), load_test(dataset, tmp_path)
    assert (np.bincount(pool.labels).tolist(), np.bincount(test.labels).tolist()) == ([16] * 3, [4] * 3)
    assert len({int(image[0, 0, 0]) for part in (pool, test) for image in part.images}) == 60  # none in both
    assert load_test(dataset, tmp_path / "other").digest == test.digest


def test_torchvisions_image_folder_is_split_as_a_folder_of_ours_is(
    written: Callable[..., Path], tmp_path: Path
) -> None:
    root = str(written("image_folder", layout="one"))
    theirs, ours = {"name": "torchvision.datasets:ImageFolder", "root": root}, {"name": "image_folder", "root": root}
    for load in (load_pool, load_test):
        np.testing.assert_array_equal(load(theirs, tmp_path).images, load(ours, tmp_path).images)


def test_an_option_that_says_the_part_makes_it_one_source(module: Path, tmp_path: Path) -> None:
    assert sizes({"name": "pictures_of_mine:OnlyTrain", "train": True}, tmp_path) == (5, 1)


def test_a_part_that_is_named_but_not_heeded_is_refused_with_a_limit_too(module: Path, tmp_path: Path) -> None:
    dataset = {"name": "pictures_of_mine:deaf"}
    for options in ({}, {"limit": 30}):
        with pytest.raises(ValueError, match="its test images are those of its pool, with the same labels"):
            load_test(dataset | options, tmp_path)
    there = {"name": "pictures_of_mine:LikeQmnist", "root": str(tmp_path), "what": "test"}
    with pytest.raises(ValueError, match="its test images are those of its pool"):
        load_test(there, tmp_path / "c")


@pytest.mark.parametrize(
    ("name", "options"),
    [("OnlyTrain", {}), ("Parent", {}), ("LikeEmnist", {"split": "digits"}), ("LikeQmnist", {"kind": "array"})],
)
def test_part_and_root_are_passed_as_the_signature_and_its_parents_name_them(
    name: str, options: dict[str, object], module: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    dataset = {"name": f"pictures_of_mine:{name}", "root": str(tmp_path / "there"), **options}
    check_dataset(dataset)
    assert sizes(dataset, tmp_path / "c") == (6, 4)


def test_torchvisions_fake_data_needs_no_files_and_takes_no_root(tmp_path: Path) -> None:
    dataset = {"name": "torchvision.datasets:FakeData", "size": 50, "image_size": [3, 8, 8], "num_classes": 3}
    assert sizes(dataset, tmp_path) == (40, 10)
    (tmp_path / "there").mkdir()
    assert sizes(dataset | {"root": str(tmp_path / "there")}, tmp_path) == (40, 10)


def test_torchvisions_emnist_wants_its_split_and_is_told_train(tmp_path: Path) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 12), ("test", 8)):
        images, labels = np.arange(count * 784, dtype=np.uint8), (np.arange(count) % 10).astype(np.uint8)
        head = f"emnist-digits-{part}"
        (raw / f"{head}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, count, 28, 28) + images.tobytes())
        (raw / f"{head}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())
    dataset = {"name": "torchvision.datasets:EMNIST", "root": str(tmp_path)}
    assert sizes(dataset | {"split": "digits"}, tmp_path / "c") == (12, 8)
    with pytest.raises(ValueError, match="missing a required argument: 'split'"):
        check_dataset(dataset)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("pictures_of_mine:open_ended", {}, "name part, train or split in its signature"),
        ("pictures_of_mine:LikeQmnist", {"knd": 3}, "unexpected keyword argument 'knd'"),
        ("pictures_of_mine:absent", {}, "module 'pictures_of_mine' has no 'absent'"),
        ("no_such_module:make", {}, "data set 'no_such_module:make': No module named 'no_such_module'"),
        ("pictures_of_mine:NUMBER", {}, "neither a function nor a class"),
        ("pictures_of_mine:arrays", {"shde": 3}, "unexpected keyword argument 'shde'"),
        ("pictures_of_mine:arrays", {"limit": -1}, "limit = -1 is not a whole number"),
    ],
)
def test_what_cannot_be_called_is_refused_before_anything_is_read(
    name: str, options: dict[str, object], expected: str, module: Path
) -> None:
    with pytest.raises(ValueError, match=expected):
        check_dataset({"name": name, **options})


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("broken", {}, "data set 'pictures_of_mine:broken': RuntimeError: the disk is on strike"),
        ("nothing", {}, "returned a NoneType; wanted are a Dataset or a pair of arrays"),
        ("Shapes", {"kind": "float"}, "image 0 is float64; give PIL images or uint8"),
        ("Shapes", {"kind": "mixed"}, r"image 1 is \[3, 3, 7\], the first is \[3, 4, 7\]"),
    ],
)
def test_what_is_wrong_with_its_answer_is_said(
    name: str, options: dict[str, object], expected: str, module: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=expected):
        load_pool({"name": f"pictures_of_mine:{name}", **options}, tmp_path / "c")
