"""Normalised cross entropy with reverse cross entropy."""

from __future__ import annotations

from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import doubt, normalised_cross_entropy


class NormalizedAndReverse(Loss):
    """`α log q_y / Σ_i log q_i - β A (1 - q_y)`: an active loss and a passive one, both symmetric.

    A = `log_zero` stands for log 0 (-4, never above 0). The paper weights the two (`alpha`, `beta`) 1 and 1 on
    CIFAR-10, 10 and 0.1 on CIFAR-100. Bounded by α - β A; no setting is cross entropy. Ma et al., ICML 2020, section 3.
    """

    alpha: Tensor
    beta: Tensor
    log_zero: Tensor

    def __init__(self, num_classes: int, alpha: float, beta: float, log_zero: float) -> None:
        super().__init__(num_classes)
        for name, value in {"alpha": alpha, "beta": beta, "log_zero": log_zero}.items():
            self.hyperparameter(name, value)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        active, nll = normalised_cross_entropy(logits, targets)
        return self.alpha * active - self.beta * self.log_zero * doubt(nll)
