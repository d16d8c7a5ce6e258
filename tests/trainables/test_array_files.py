"""Files of similarities, noisy labels and word vectors, damaged or made to harm: a ValueError in one line, nothing run.

A bomb here is a small file that announces or unpacks to gigabytes.
"""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.study.mutations import FOREIGN, damaged
from trainables.array_files import MOST_BYTES, read_csv, read_npy, read_npz
from trainables.data.noise import Part, settle
from trainables.data.noise.file import corrupt
from trainables.similarity.fit import fit

NAMES = tuple(f"class{i}" for i in range(5))
LABELS = np.arange(50) % 5
TARGET = (np.ones((5, 5)) - np.eye(5)) / 4


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def pt(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def header(kind: str, shape: str) -> bytes:
    """An NPY file's beginning, which announces numbers that do not follow."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + text.encode()


def csv(rows: Any) -> bytes:
    return "\n".join(",".join(map(str, np.atleast_1d(row))) for row in rows).encode()


VECTORS = b"5 3\n" + b"".join(f"{name} {i + 1}.0 0.5 0.25\n".encode() for i, name in enumerate(NAMES))
PACKED = b"5 3\n" + b"".join(f"{n} ".encode() + np.array([i, 0.5, 1], "<f4").tobytes() for i, n in enumerate(NAMES))
GOOD = {  # what reads it, and its name: a file as it should be
    ("file", "matrix.csv"): csv(TARGET),
    ("file", "matrix.npy"): npy(TARGET),
    ("confusion", "counts.csv"): csv(np.arange(25).reshape(5, 5)),
    ("hierarchy", "groups.yaml"): b"a: [class0, class1]\nb: [class2, class3, class4]\n",
    ("hierarchy", "groups.csv"): b"class0,a\nclass1,a\nclass2,b\nclass3,b\nclass4,b\n",
    ("words", "vectors.txt"): VECTORS,
    ("words", "vectors.bin"): PACKED,
    ("words", "vectors.gz"): gzip.compress(PACKED),
    ("noise", "labels.npy"): npy(LABELS),
    ("noise", "labels.npz"): npz(a=LABELS),
    ("noise", "labels.csv"): csv(LABELS),
    ("noise", "labels.pt"): pt({"a": torch.from_numpy(LABELS)}),
}
Read = Callable[[str, str, bytes], None]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file of given bytes as a study would."""

    def read(kind: str, name: str, data: bytes) -> None:
        path = tmp_path / name
        path.write_bytes(data)
        if kind == "noise":
            spec = settle({"kind": "file", "path": str(path)}, "digits", NAMES)
            corrupt(Part("train", np.zeros((50, 1, 2, 2), np.uint8), LABELS, np.arange(50), NAMES), spec)
        else:
            fit({"name": kind, "path": str(path)}, num_classes=5, class_names=NAMES)

    return read


@pytest.mark.parametrize(("kind", "name"), GOOD)
def test_a_sound_file_is_read(read: Read, kind: str, name: str) -> None:
    read(kind, name, GOOD[kind, name])


@settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_any_damage_is_survived_or_refused_in_one_line(read: Read, seed: int) -> None:
    random = Random(seed)
    (kind, name), data = random.choice(list(GOOD.items()))
    try:
        read(kind, name, damaged(data, random))
    except ValueError as refused:
        said = str(refused)
        assert name in said or "similarity" in said or "class" in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize("foreign", range(len(FOREIGN)))
@pytest.mark.parametrize(("kind", "name"), GOOD)
def test_a_file_of_another_kind_is_refused(read: Read, kind: str, name: str, foreign: int) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read(kind, name, FOREIGN[foreign])


class Harm:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("name", ["labels.npy", "labels.npz", "labels.pt"])
def test_a_pickle_is_refused_and_not_run(read: Read, name: str, tmp_path: Path) -> None:
    harm = Harm(tmp_path / "harmed")
    objects = np.array([harm], dtype=object)
    for data in (npy(objects), npz(a=objects), pt({"a": harm}), pickle.dumps(harm)):
        with pytest.raises(ValueError, match="holds no labels that can be read"):
            read("noise", name, data)
    assert not harm.mark.exists()


def test_an_array_that_announces_more_than_memory_is_not_allocated(read: Read) -> None:
    for kind, name in (("file", "matrix.npy"), ("noise", "labels.npy")):
        with pytest.raises(ValueError, match=r"bytes are more than 256 MB, which nothing here needs"):
            read(kind, name, header("<f8", "(99999999999,)"))


def test_an_archive_that_unpacks_to_more_than_memory_is_not_unpacked(read: Read) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header("<f8", f"({MOST_BYTES},)") + bytes(1 << 20))
    with pytest.raises(ValueError, match="more than 256 MB"):
        read("noise", "labels.npz", file.getvalue())


@pytest.mark.parametrize(
    ("kind", "name", "data", "expected"),
    [
        ("file", "matrix.npy", npy(np.zeros(3, dtype=[("a", "f4"), ("b", "i4")])), "holds no matrix of numbers"),
        ("file", "matrix.npy", npy(TARGET * 1j), "its entries are complex128"),
        ("file", "matrix.npy", npz(a=TARGET), "holds no matrix of numbers"),
        ("file", "matrix.npy", header("<f8", "(5, 5)") + bytes(8), "it is cut short"),
        ("file", "matrix.csv", b"# nothing\n", "holds no matrix of numbers"),
        ("noise", "labels.npz", npy(LABELS), "holds no labels that can be read"),
        ("noise", "labels.npy", npz(a=LABELS), "holds no labels that can be read"),
        ("noise", "labels.npz", npz(), "it is empty"),
        ("noise", "labels.csv", b"", "holds no labels that can be read"),
        ("noise", "labels.csv", b"inf\n" * 50, "labels are one whole number an image"),
        ("noise", "labels.npy", npy(np.full(50, 1e300)), "labels are one whole number an image"),
        ("noise", "labels.pt", pt({"a": torch.eye(5).to_sparse()}), "holds no labels that can be read"),
        ("noise", "labels.pt", pt({"a": torch.ones(50, dtype=torch.bfloat16)}), "holds no labels that can be read"),
        ("noise", "labels.pt", b"a0: &a0 [ha]\na1: &a1 [*a0]\n", "holds no labels that can be read"),
        ("words", "vectors.txt", b"5 99999999999\nclass0 1", "vectors of 99999999999 numbers"),
        ("words", "vectors.txt", VECTORS.replace(b"1.0", b"1e300"), "'class0', for class 'class0', is not of finite"),
        ("words", "vectors.bin", PACKED.replace(b"class0 \0\0\0\0", b"class0 \0\0\xc0\x7f"), "is not of finite"),
        ("hierarchy", "groups.csv", b"x" * 200_000, "is not CSV: field larger than field limit"),
        ("hierarchy", "groups.csv", b"\xff\xfe\x00", "cannot be read as text"),
        ("hierarchy", "groups.yaml", b"a: [[class0], class1]\n", "neither a superclass nor a list of classes"),
        ("hierarchy", "groups.yaml", b"a: &a [*a]\n", "neither a superclass nor a list of classes"),
        ("hierarchy", "groups.yaml", b'a: !!int ""\n', "is not YAML"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_name(
    read: Read, kind: str, name: str, data: bytes, expected: str
) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        read(kind, name, data)
    assert name in str(refused.value)
    assert expected in str(refused.value)


def test_an_alias_bomb_in_a_hierarchy_is_refused_at_once(read: Read) -> None:
    bomb = "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(30))
    with pytest.raises(ValueError, match="neither a superclass nor a list of classes"):
        read("hierarchy", "groups.yaml", f"a0: &a0 [ha]\n{bomb}".encode())


def test_arrays_come_back_as_numpy_saved_them(tmp_path: Path) -> None:
    arrays = {"c": np.arange(12.0).reshape(3, 4), "f": np.asfortranarray(np.eye(3)), "none": np.zeros((0, 2))}
    np.savez(tmp_path / "a.npz", **arrays)
    for name, array in arrays.items():
        np.save(tmp_path / "a.npy", array)
        np.testing.assert_array_equal(read_npy(tmp_path / "a.npy"), array)
        np.testing.assert_array_equal(read_npz(tmp_path / "a.npz")[name], array)
    (tmp_path / "a.csv").write_bytes(csv(np.eye(3)))
    np.testing.assert_array_equal(read_csv(tmp_path / "a.csv", 2), np.eye(3))
