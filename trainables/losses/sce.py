"""Symmetric cross entropy (SCE)."""

from __future__ import annotations

from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import doubt, negative_log_likelihood


class SymmetricCrossEntropy(Loss):
    """`-α log q_y - β A (1 - q_y)`: cross entropy and its reverse, in which label and prediction change places.

    The reverse takes the logarithm of the one-hot label, with A = `log_zero` (-4 in the paper, never above 0) for
    log 0. `alpha = 1, beta = 0` is cross entropy; `alpha = 0` a multiple of the absolute error. The paper uses 0.1 and
    1 on CIFAR-10, 6 and 0.1 on CIFAR-100. Wang et al., ICCV 2019, eqs. 5 to 7.
    """

    alpha: Tensor
    beta: Tensor
    log_zero: Tensor

    def __init__(self, num_classes: int, alpha: float, beta: float, log_zero: float) -> None:
        super().__init__(num_classes)
        for name, value in {"alpha": alpha, "beta": beta, "log_zero": log_zero}.items():
            self.hyperparameter(name, value)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        nll = negative_log_likelihood(logits, targets)
        return self.alpha * nll - self.beta * self.log_zero * doubt(nll)
