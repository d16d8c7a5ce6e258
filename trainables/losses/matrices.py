"""The matrices that losses take, `[C, C]`: checked when the loss is made, in double precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 1e-6  # how far a row's sum or a diagonal entry may be off, as matrices are often kept in single precision


def target_similarity(similarity: Any, num_classes: int) -> Tensor:
    """A similarity whose rows are distributions over the other classes, or the name 'uniform'.

    Raises ValueError for another shape, an entry that is negative or not finite, a diagonal that is not zero or a row
    that does not sum to 1. A single class resembles no other: its matrix is 0.
    """
    if isinstance(similarity, str) and similarity == "uniform":
        off_diagonal = 1 - torch.eye(num_classes, dtype=torch.float64)
        return off_diagonal / max(num_classes - 1, 1)
    matrix = square_matrix("similarity", similarity, num_classes)
    refuse_negative("similarity", matrix)
    if (matrix.diagonal() != 0).any():
        raise ValueError("similarity has a non-zero diagonal; a class's likeness to itself is 1 - epsilon")
    if num_classes > 1:
        refuse_row_sums("similarity", matrix)
    return matrix


def class_likeness(similarity: Any, num_classes: int, r: float, cut: float) -> Tensor:
    """SimLoss's S in [0, 1] with unit diagonal: r^|i-j| for the name 'order', else what of a likeness exceeds `cut`.

    That is max(0, (likeness - cut) / (1 - cut)). Raises ValueError for another shape, an entry outside [-1, 1] or a
    diagonal that is not 1.
    """
    if isinstance(similarity, str) and similarity == "order":
        ranks = torch.arange(num_classes, dtype=torch.float64)
        return torch.tensor(r, dtype=torch.float64) ** (ranks[:, None] - ranks).abs()
    matrix = square_matrix("similarity", similarity, num_classes)
    if (matrix.abs() > 1 + TOLERANCE).any():
        raise ValueError("similarity has an entry outside [-1, 1]; SimLoss takes likenesses such as cosines")
    if (matrix.diagonal() - 1).abs().max() > TOLERANCE:
        raise ValueError(
            "similarity has a diagonal that is not 1; a class is wholly like itself: fit it with contract='likeness', "
            "or set the diagonal of your own matrix to 1"
        )
    return ((matrix - cut) / (1 - cut)).clamp(0, 1).fill_diagonal_(1)


def information_matrix(matrix: Any, num_classes: int) -> Tensor:
    """Infogain's H, no entry negative, or the name 'identity'. Raises ValueError otherwise."""
    if isinstance(matrix, str) and matrix == "identity":
        return torch.eye(num_classes, dtype=torch.float64)
    ready = square_matrix("matrix", matrix, num_classes)
    refuse_negative("matrix", ready)
    return ready


def balanced_matrix(counts: Any) -> Tensor:
    """Infogain's H for unequal classes: min_j N_j / N_i on the diagonal, from the classes' `counts` `[C]`.

    Negi, Chen and Mahoor, section 2. Raises ValueError where a class has no sample.
    """
    numbers = torch.as_tensor(np.asarray(counts), dtype=torch.float64)
    if numbers.ndim != 1 or len(numbers) == 0 or (numbers <= 0).any():
        raise ValueError(f"class counts {numbers.tolist()}: a balanced matrix needs samples of every class")
    return torch.diag(numbers.min() / numbers)


def transition_matrix(transition: Any, num_classes: int) -> Tensor:
    """T[i, j] = p(label j | class i), rows sum to 1, or the name 'identity'.

    Raises ValueError otherwise, and where a column is all 0: its label would have no probability whatever the network
    says.
    """
    if isinstance(transition, str) and transition == "identity":
        return torch.eye(num_classes, dtype=torch.float64)
    matrix = square_matrix("transition", transition, num_classes)
    refuse_negative("transition", matrix)
    refuse_row_sums("transition", matrix)
    if (matrix.sum(0) == 0).any():
        column = int((matrix.sum(0) == 0).nonzero()[0])
        raise ValueError(f"transition column {column} is 0: no class would ever be labelled {column}")
    return matrix


def square_matrix(name: str, matrix: Any, num_classes: int) -> Tensor:
    """`matrix` as a finite `[C, C]` tensor in double precision; ValueError where it is none, or only a name."""
    if isinstance(matrix, str | Mapping):
        given = matrix if isinstance(matrix, str) else matrix.get("name")
        makes = ", which trainables.similarity.fit.fit makes" if name == "similarity" else ""
        raise ValueError(f"{name} '{given}' is made elsewhere: pass its matrix, [{num_classes}, {num_classes}]{makes}")
    array = matrix.detach().cpu() if isinstance(matrix, Tensor) else torch.as_tensor(_numbers(name, matrix))
    if array.shape != (num_classes, num_classes):
        raise ValueError(f"{name} has shape {tuple(array.shape)}; {num_classes} classes need [C, C]")
    array = array.to(torch.float64, copy=True)
    if not torch.isfinite(array).all():
        raise ValueError(f"{name} has non-finite entries")
    return array


def refuse_negative(name: str, matrix: Tensor) -> None:
    """Raise ValueError for a negative entry."""
    if (matrix < 0).any():
        row, column = (matrix < 0).nonzero()[0].tolist()
        raise ValueError(f"{name}[{row}, {column}] = {float(matrix[row, column]):g} is negative")


def refuse_row_sums(name: str, matrix: Tensor) -> None:
    """Raise ValueError for a row that does not sum to 1."""
    sums = matrix.sum(1)
    if (sums - 1).abs().max() > TOLERANCE:
        row = int((sums - 1).abs().argmax())
        raise ValueError(f"{name} row {row} sums to {sums[row]:.6g}; rows must sum to 1")


def _numbers(name: str, matrix: Sequence[Any] | np.ndarray) -> np.ndarray:
    try:
        return np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not a matrix of numbers") from None
