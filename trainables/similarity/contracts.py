"""The two things a `[C, C]` matrix may say of classes, and how one becomes the other.

A *target similarity* A (MCEL's family): row y is the distribution over other classes that takes the target's share
epsilon. Entries in [0, 1], rows sum to 1, zero diagonal.
A *likeness* S (SimLoss): entry ij says how alike classes i and j are. Entries in [-1, 1], unit diagonal.

`target.py` makes a target of a likeness; `likeness_of_target` goes back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TARGET, LIKENESS = "target", "likeness"
TOLERANCE = 1e-6  # a matrix written in single precision is not refused

Names = Sequence[str] | None


def check_target(matrix: object, num_classes: int, class_names: Names = None) -> np.ndarray:
    """`matrix` as float64, rows summing to 1 exactly; ValueError naming the first entry that makes it no target."""
    checked = _check_square(matrix, num_classes, class_names)
    _check_range(checked, 0, class_names)
    _check_diagonal(checked, 0, "it takes no share of its own mistakes", class_names)
    sums = checked.sum(axis=1)
    bad = np.flatnonzero(np.abs(sums - 1) > TOLERANCE)
    if len(bad):
        raise ValueError(
            f"similarity row {called(int(bad[0]), class_names)} sums to {sums[bad[0]]:.6g}; rows must sum to 1"
        )
    return checked / sums[:, None]


def check_likeness(matrix: object, num_classes: int, class_names: Names = None) -> np.ndarray:
    """`matrix` as float64; ValueError naming the first entry that makes it no likeness."""
    checked = _check_square(matrix, num_classes, class_names)
    _check_range(checked, -1, class_names)
    _check_diagonal(checked, 1, "a class is wholly like itself", class_names)
    return checked


def likeness_of_target(target: np.ndarray) -> np.ndarray:
    """A target with ones on its diagonal; made a target again, it is what it was."""
    return target + np.eye(len(target))


def called(index: int, class_names: Names) -> str:
    """A class in a sentence: its number, and its name where that is known."""
    return f"{index}" if class_names is None else f"{index} ({class_names[index]})"


def _check_square(matrix: object, num_classes: int, class_names: Names) -> np.ndarray:
    if num_classes < 2:
        raise ValueError(f"a similarity needs at least 2 classes; there is {num_classes}")
    try:
        checked = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("similarity is not a matrix of numbers") from None
    if checked.shape != (num_classes, num_classes):
        raise ValueError(
            f"similarity has shape {checked.shape}; {num_classes} classes need ({num_classes}, {num_classes})"
        )
    _refuse(checked, ~np.isfinite(checked), "entries are finite numbers", class_names)
    return checked


def _check_range(matrix: np.ndarray, low: int, class_names: Names) -> None:
    outside = (matrix < low - TOLERANCE) | (matrix > 1 + TOLERANCE)
    _refuse(matrix, outside, f"entries lie in [{low}, 1]", class_names)
    np.clip(matrix, low, 1, out=matrix)


def _check_diagonal(matrix: np.ndarray, value: int, reason: str, class_names: Names) -> None:
    off = np.abs(np.diag(matrix) - value) > TOLERANCE
    _refuse(matrix, np.diag(off), f"the diagonal is {value}: {reason}", class_names)
    np.fill_diagonal(matrix, value)


def _refuse(matrix: np.ndarray, bad: np.ndarray, rule: str, class_names: Names) -> None:
    if bad.any():
        i, j = np.argwhere(bad)[0].tolist()
        raise ValueError(f"similarity[{called(i, class_names)}, {called(j, class_names)}] = {matrix[i, j]:.6g}; {rule}")
