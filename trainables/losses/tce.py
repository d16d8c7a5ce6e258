"""Tamed cross entropy (TCE)."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import negative_log_likelihood, power_integral


class TamedCrossEntropy(Loss):
    """`((1 - log q_y)^(1-α) - 1) / (1-α)`: cross entropy whose gradient fades where the network disagrees.

    The gradient with respect to the logits is `(1 - log q_y)^(-α) (q - onehot)`. `alpha >= 0`; `alpha = 0` is cross
    entropy, `alpha = 1` the limit `log(1 - log q_y)`; for `alpha > 1` the loss is bounded by 1/(α-1). The constant
    makes the loss zero at q_y = 1; the printed one diverges at α = 1 and has no effect on training.
    Martinez and Stiefelhagen, eqs. 8 and 9.
    """

    alpha: Tensor

    def __init__(self, num_classes: int, alpha: float) -> None:
        super().__init__(num_classes)
        self.hyperparameter("alpha", alpha)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return power_integral(torch.log1p(negative_log_likelihood(logits, targets)), 1 - self.alpha)
