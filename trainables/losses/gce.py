"""Generalized cross entropy (GCE)."""

from __future__ import annotations

from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import negative_log_likelihood, power_integral


class GeneralizedCrossEntropy(Loss):
    """`(1 - q_y^q) / q`: between cross entropy and absolute error.

    `q` in [0, 1], 0.7 in the paper; `q = 0` is cross entropy, the limit, and `q = 1` half the absolute error. Bounded
    by 1/q. Zhang and Sabuncu, NeurIPS 2018, eq. 6.
    """

    q: Tensor

    def __init__(self, num_classes: int, q: float) -> None:
        super().__init__(num_classes)
        self.hyperparameter("q", q)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return power_integral(negative_log_likelihood(logits, targets), -self.q)
