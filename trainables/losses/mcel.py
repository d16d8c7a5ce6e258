"""Mixed cross entropy loss (MCEL)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.matrices import target_similarity
from trainables.losses.terms import matrix_cross_entropy


class MixedCrossEntropy(Loss):
    """`-(1-ε) log q_y - ε Σ_i A[y,i] log q_i`: a share of the target goes to the classes that resemble it.

    `epsilon` in [0, 0.5); 0 is cross entropy. `similarity` is `[C, C]`, rows sum to 1, zero diagonal; the name
    'uniform' stands for 1/(C-1) off the diagonal. Negi, Chen and Mahoor, eqs. 3 and 4; the paper sums over the set,
    here the mean over the batch. With a uniform matrix it equals label smoothing at ε C / (C - 1).
    """

    epsilon: Tensor
    similarity: Tensor
    identity: Tensor

    def __init__(self, num_classes: int, epsilon: float, similarity: Any) -> None:
        super().__init__(num_classes)
        self.hyperparameter("epsilon", epsilon)
        self.hyperparameter("similarity", target_similarity(similarity, num_classes))
        self.hyperparameter("identity", torch.eye(num_classes))

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return matrix_cross_entropy(logits, targets, torch.lerp(self.identity, self.similarity, self.epsilon))
