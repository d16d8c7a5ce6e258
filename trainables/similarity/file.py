"""A ready matrix from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainables.array_files import read_csv, read_npy
from trainables.similarity.contracts import LIKENESS, TARGET, TOLERANCE, Names, check_likeness, check_target


def read_numbers(path: str | Path) -> np.ndarray:
    """The matrix in a CSV or NPY file; ValueError where it holds anything else.

    A CSV has one row a line, separated by commas; lines that begin with # are left out.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".csv", ".npy"):
        raise ValueError(f"{path} is neither .csv nor .npy: a matrix is read from these")
    try:
        matrix = read_npy(path) if kind == ".npy" else read_csv(path, 2)
        if matrix.dtype.kind not in "biuf":
            raise ValueError(f"its entries are {matrix.dtype}")
        return matrix.astype(np.float64)
    except ValueError as problem:
        raise ValueError(f"{path} holds no matrix of numbers: {problem}") from None


def read_matrix(path: str | Path, num_classes: int, class_names: Names = None) -> tuple[np.ndarray, str]:
    """A ready `[C, C]` matrix, checked, and whether it is a target similarity or a likeness.

    A zero diagonal makes it a target, a unit diagonal a likeness. ValueError where it is neither.
    """
    matrix = read_numbers(path)
    try:
        corner = matrix.flat[0] if matrix.size else 0
        if abs(corner) <= TOLERANCE:
            return check_target(matrix, num_classes, class_names), TARGET
        if abs(corner - 1) <= TOLERANCE:
            return check_likeness(matrix, num_classes, class_names), LIKENESS
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None
    raise ValueError(
        f"{path}: the first entry is {corner:.6g}; the diagonal is 0 in a target similarity and 1 in a likeness"
    )
