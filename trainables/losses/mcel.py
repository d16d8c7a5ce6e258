"""Mixed cross entropy loss (MCEL)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainables.losses.base import Loss, negative_log_likelihood


class MixedCrossEntropy(Loss):
    """`-(1-ε) log q_y - ε Σ_i A[y,i] log q_i`: a share of the target goes to the classes that resemble it.

    `epsilon` in [0, 0.5); 0 is cross entropy. `similarity` is `[C, C]`, rows sum to 1, zero diagonal; the name
    'uniform' stands for 1/(C-1) off the diagonal. Negi, Chen and Mahoor, eqs. 3 and 4; the paper sums over the set,
    here the mean over the batch. With a uniform matrix it equals label smoothing at ε C / (C - 1).
    """

    epsilon: Tensor
    similarity: Tensor

    def __init__(self, num_classes: int, epsilon: float, similarity: Any) -> None:
        super().__init__(num_classes)
        self.hyperparameter("epsilon", epsilon)
        self.register_buffer("similarity", similarity_buffer(similarity, num_classes))

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        log_probs = logits.log_softmax(-1)
        nll = negative_log_likelihood(log_probs, targets)
        similar = -(self.similarity[targets] * log_probs).sum(-1)
        return (1 - self.epsilon) * nll + self.epsilon * similar


def similarity_buffer(similarity: Any, num_classes: int) -> Tensor:
    """A checked `[C, C]` tensor from a ready matrix or the name 'uniform'; ValueError otherwise."""
    if isinstance(similarity, str):
        if similarity != "uniform":
            raise ValueError(
                f"similarity '{similarity}' is fitted to data: pass its matrix, "
                "from trainables.similarity.lda_similarity(images, labels)"
            )
        if num_classes < 2:
            raise ValueError("a uniform similarity needs at least 2 classes")
        return (1 - torch.eye(num_classes, dtype=torch.float64)) / (num_classes - 1)
    matrix = torch.as_tensor(similarity, dtype=torch.float64)
    if matrix.shape != (num_classes, num_classes):
        raise ValueError(f"similarity has shape {tuple(matrix.shape)}; {num_classes} classes need [C, C]")
    if not torch.isfinite(matrix).all() or (matrix < 0).any():
        raise ValueError("similarity has negative or non-finite entries; each lies in [0, 1]")
    if (matrix.diagonal() != 0).any():
        raise ValueError("similarity has a non-zero diagonal; a class's likeness to itself is 1 - epsilon")
    sums = matrix.sum(1)
    if (sums - 1).abs().max() > 1e-6:
        row = int((sums - 1).abs().argmax())
        raise ValueError(f"similarity row {row} sums to {sums[row]:.6g}; rows must sum to 1")
    return matrix
