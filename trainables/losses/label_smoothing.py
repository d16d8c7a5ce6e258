"""Label smoothing."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import matrix_cross_entropy


class LabelSmoothing(Loss):
    """`-(1-ε) log q_y - (ε/C) Σ_i log q_i`: the target is mixed with the uniform distribution.

    `epsilon` in [0, 1), 0.1 is customary; `epsilon = 0` is cross entropy. Szegedy et al., CVPR 2016; Negi, Chen and
    Mahoor, eq. 2. With a uniform similarity, MCEL at ε equals label smoothing at ε C / (C - 1).
    """

    epsilon: Tensor
    identity: Tensor

    def __init__(self, num_classes: int, epsilon: float) -> None:
        super().__init__(num_classes)
        self.hyperparameter("epsilon", epsilon)
        self.hyperparameter("identity", torch.eye(num_classes))

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        rows = (1 - self.epsilon) * self.identity + self.epsilon / self.num_classes
        return matrix_cross_entropy(logits, targets, rows)
