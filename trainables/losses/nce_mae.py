"""Normalised cross entropy with absolute error."""

from __future__ import annotations

from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import doubt, normalised_cross_entropy


class NormalizedAndAbsolute(Loss):
    """`α log q_y / Σ_i log q_i + 2 β (1 - q_y)`: an active loss and a passive one, both symmetric.

    The paper weights the two (`alpha`, `beta`) 1 and 1 on CIFAR-10, 10 and 1 on CIFAR-100. Bounded by α + 2 β; no
    setting is cross entropy. Ma et al., ICML 2020, section 3.
    """

    alpha: Tensor
    beta: Tensor

    def __init__(self, num_classes: int, alpha: float, beta: float) -> None:
        super().__init__(num_classes)
        self.hyperparameter("alpha", alpha)
        self.hyperparameter("beta", beta)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        active, nll = normalised_cross_entropy(logits, targets)
        return self.alpha * active + 2 * self.beta * doubt(nll)
