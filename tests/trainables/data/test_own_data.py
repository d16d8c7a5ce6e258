"""A data set of one's own, by import path: functions, Datasets, torchvision's classes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
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


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
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
