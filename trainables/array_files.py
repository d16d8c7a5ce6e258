"""Arrays in files that somebody else made: nothing in them is executed, and none is unpacked beyond a size.

numpy's own readers raise almost anything for damaged bytes, and allocate what a header of a few bytes asks for.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.lib import format as npy

MOST_BYTES = 1 << 28  # of one array: labels of 30 million images
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npy(path: Path) -> np.ndarray:
    """The array of an NPY file; ValueError for what is none, holds Python objects, or is too large."""
    with _in_a_line(), path.open("rb") as file:
        return _array(file)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file by name; ValueError as `read_npy`."""
    with _in_a_line(), zipfile.ZipFile(path) as archive:
        found = {}
        for name in archive.namelist():
            with archive.open(name) as file:
                found[name.removesuffix(".npy")] = _array(file)
        return found


def read_csv(path: Path, dimensions: Literal[1, 2]) -> np.ndarray:
    """The numbers of a text file, a row a line, separated by commas, float64; lines that begin with # are left out.

    ValueError for anything but numbers, for none at all, and for a file that is too large.
    """
    with _in_a_line(), warnings.catch_warnings():
        check_size(path.stat().st_size)
        warnings.simplefilter("error")  # numpy only warns of a file without a number
        return np.loadtxt(path, delimiter=",", ndmin=dimensions, dtype=np.float64, encoding="utf-8-sig")


def check_size(size: float) -> None:
    """ValueError where an array, or what a file unpacks to, has more than `MOST_BYTES` bytes."""
    if size > MOST_BYTES:
        raise ValueError(f"{size:.3g} bytes are more than {MOST_BYTES >> 20} MB, which nothing here needs")


@contextmanager
def _in_a_line() -> Iterator[None]:
    try:
        yield
    except Exception as problem:  # a parser of damaged bytes may raise anything
        raise ValueError(" ".join(str(problem).split())[:200] or type(problem).__name__) from None


def _array(file: IO[bytes]) -> np.ndarray:
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"a format {version} of NPY that is not read; save plain numbers")
    shape, fortran, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which could run code and are not read")
    if any(length < 0 for length in shape):
        raise ValueError(f"shape {shape} has a negative length")
    size = math.prod(shape) * dtype.itemsize
    check_size(size)
    data = file.read(size)
    if len(data) < size:
        raise ValueError(f"{len(data)} bytes of numbers, and {size} are announced: it is cut short")
    return np.ndarray(shape, dtype, data, order="F" if fortran else "C")
