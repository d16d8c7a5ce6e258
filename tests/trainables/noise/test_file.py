"""Labels from a file: read from every format, checked against the pool, never executed."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables.data.noise import NOISES, Part, settle

from .parts import make_part

TRUE = np.arange(40) % 4
GIVEN = (TRUE + (np.arange(40) % 5 == 0)) % 4
POOL = make_part(40, 4)


def corrupted(path: Path, part: Part = POOL, **options: Any) -> np.ndarray:
    spec = settle({"kind": "file", "path": str(path), **options}, "any", part.class_names)
    return NOISES["file"].corrupt(part, spec)


def write(path: Path) -> Path:
    match path.suffix:
        case ".npy":
            np.save(path, GIVEN)
        case ".npz":
            np.savez(path, aggre_label=GIVEN)
        case ".pt":
            torch.save({"aggre_label": GIVEN, "worse_label": TRUE[::-1].copy(), "clean_label": TRUE}, path)
        case _:
            path.write_text("# aggregated\n" + "".join(f"{label}\n" for label in GIVEN))
    return path


@pytest.mark.parametrize("name", ["l.npy", "l.npz", "l.csv", "l.txt", "l.pt"])
def test_labels_are_those_of_the_file_in_the_pools_order(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name)
    key = {"key": "aggre_label"} if name in ("l.npz", "l.pt") else {}
    np.testing.assert_array_equal(corrupted(path, **key), GIVEN)
    index = np.array([3, 5, 20])
    part = Part("val", POOL.images, POOL.labels, index, POOL.class_names)
    np.testing.assert_array_equal(corrupted(path, part, **key), GIVEN[index])


def test_the_only_array_of_a_file_needs_no_key_and_one_of_several_does(tmp_path: Path) -> None:
    np.testing.assert_array_equal(corrupted(write(tmp_path / "l.npz")), GIVEN)
    path = write(tmp_path / "l.pt")
    with pytest.raises(ValueError, match="holds aggre_label, worse_label, clean_label; name one, as in key: aggre_l"):
        corrupted(path)
    with pytest.raises(ValueError, match=r"unknown key 'agre_label'; did you mean 'aggre_label'\?"):
        corrupted(path, key="agre_label")


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_arrays_that_another_numpy_saved_with_torch_are_read(core: str, tmp_path: Path) -> None:
    """CIFAR-N's files were written by a numpy before 2, which called its modules otherwise."""
    path, renamed = tmp_path / "new.pt", tmp_path / "renamed.pt"
    torch.save({"a_label": GIVEN, "b_label": TRUE}, path)
    assert b"numpy._core.multiarray" in path.read_bytes()
    with zipfile.ZipFile(path) as new, zipfile.ZipFile(renamed, "w") as old:
        for name in new.namelist():
            old.writestr(name, new.read(name).replace(b"numpy._core.multiarray", f"{core}.multiarray".encode()))
    np.testing.assert_array_equal(corrupted(renamed, key="a_label"), GIVEN)


def test_tensors_are_read_as_arrays_are(tmp_path: Path) -> None:
    torch.save(torch.tensor(GIVEN), tmp_path / "l.pt")
    np.testing.assert_array_equal(corrupted(tmp_path / "l.pt"), GIVEN)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("trap-was-sprung", "w"))


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a_label": Trap()}, tmp_path / "l.pt")
    np.save(tmp_path / "l.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Trap()))
    for name in ("l.pt", "l.npy", "raw.pt"):
        with pytest.raises(ValueError, match="holds no labels that can be read"):
            corrupted(tmp_path / name)
    assert not (tmp_path / "trap-was-sprung").exists()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (GIVEN[:-1], r"39 labels; 40 are expected, one an image of the pool, in its order"),
        (GIVEN + 1, r"label 4 at position \d+ is none of the 4 classes; labels are 0 to 3"),
        (GIVEN - 1, r"label -1 at position 4 is none"),
        (GIVEN + 0.5, r"shape \[40\] of float64; labels are one whole number an image"),
        (GIVEN[:, None], r"shape \[40, 1\] of int64"),
        (GIVEN.astype(str), r"shape \[40\] of <U\d+"),
    ],
    ids=["too few", "beyond", "negative", "half", "column", "text"],
)
def test_labels_that_do_not_fit_the_pool_are_refused(labels: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "l.npy", labels)
    with pytest.raises(ValueError, match=message):
        corrupted(tmp_path / "l.npy")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.csv", b"1\ncat\n", "holds no labels that can be read"),
        ("l.npy", b"\x93NUMPY\x01", "holds no labels"),
        ("l.npz", b"PK", "holds no labels"),
        ("l.pt", b"", "holds no labels"),
        ("l.json", b"[]", r"labels are read from \.npy, \.npz, \.csv, \.txt, \.pt"),
    ],
)
def test_a_file_that_holds_no_labels_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as refused:
        corrupted(tmp_path / name)
    assert len(str(refused.value).splitlines()) == 1


def test_a_file_whose_own_true_labels_are_in_another_order_is_refused(tmp_path: Path) -> None:
    torch.save({"a_label": GIVEN, "clean_label": np.roll(TRUE, 1)}, tmp_path / "l.pt")
    with pytest.raises(ValueError, match="clean_label differs from the pool's true labels at 40 of 40 images"):
        corrupted(tmp_path / "l.pt", key="a_label")


def test_a_file_needs_a_path_and_has_no_rate(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"noise 'file' needs path: labels as \.npy"):
        settle({"kind": "file"}, "any", ("a", "b"))
    with pytest.raises(ValueError, match="noise 'file' has no rate, it comes from the labels in the file; leave rate"):
        settle({"kind": "file", "rate": 0.2, "path": "l.npy"}, "any", ("a", "b"))
    with pytest.raises(ValueError, match="noise 'file': there is no file"):
        corrupted(tmp_path / "absent.npy")
