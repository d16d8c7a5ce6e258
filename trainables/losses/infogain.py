"""Infogain loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.matrices import information_matrix
from trainables.losses.terms import matrix_cross_entropy


class Infogain(Loss):
    """`-Σ_i H[i,y] log q_i`: every answer has its own weight for every label.

    `matrix` is H, `[C, C]`, no entry negative, or the name 'identity', which is cross entropy; the caller resolves
    'balanced' by `balanced_matrix(counts)`. `axis` 'column' is the paper's equation as printed, 'row' takes H[y,i] as
    Caffe does; they agree for a symmetric H. Negi, Chen and Mahoor, eq. 1; the paper sums over the set, here the mean.
    """

    weights: Tensor

    def __init__(self, num_classes: int, matrix: Any, axis: str) -> None:
        super().__init__(num_classes)
        ready = information_matrix(matrix, num_classes)
        self.hyperparameter("weights", ready.T.contiguous() if axis == "column" else ready)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return matrix_cross_entropy(logits, targets, self.weights)
