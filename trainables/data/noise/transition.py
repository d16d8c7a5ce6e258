"""Transition matrices `[C, C]`: entry (i, j) is how often class i carries label j, rows sum to 1."""

from __future__ import annotations

from typing import Any

import numpy as np

TOLERANCE = 1e-6  # of a row's sum


def checked_transition(value: Any, where: str) -> np.ndarray:
    """`value` as a transition matrix `[C, C]`; ValueError naming the row where it is none."""
    try:
        matrix = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{where} is not a list of rows of numbers, all of one length") from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{where} has shape {list(matrix.shape)}; a transition matrix has a row and a column a class")
    for number, row in enumerate(matrix):
        which = f"row {number} of {where}"
        if not np.isfinite(row).all() or (row < 0).any():
            raise ValueError(f"{which} has an entry that is no probability: {min(row):g} to {max(row):g}")
        if abs(row.sum() - 1) > TOLERANCE:
            raise ValueError(f"{which} sums to {row.sum():.6g}; row i says how class i is labelled, and sums to 1")
    return matrix


def transition_matrix(true: np.ndarray, noisy: np.ndarray, num_classes: int) -> np.ndarray:
    """How often class i carries label j, `[C, C]`, rows sum to 1. A class without an image keeps its label."""
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (true, noisy), 1)
    absent = counts.sum(1) == 0
    counts[absent, absent] = 1
    return counts / counts.sum(1, keepdims=True)


def apportioned(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers `[C]` that add up to `total`, each less than 1 from its share of it (largest remainders)."""
    wanted = shares / shares.sum() * total
    counts = np.floor(wanted + 1e-9).astype(np.int64)  # 0.3 * 10 is 3, not 2
    remainders = np.round(wanted - counts, 9)  # equal ones must be equal on every machine
    counts[np.argsort(-remainders, kind="stable")[: total - counts.sum()]] += 1
    return counts
