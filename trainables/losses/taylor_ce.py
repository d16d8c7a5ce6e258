"""Taylor cross entropy."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import doubt, negative_log_likelihood


class TaylorCrossEntropy(Loss):
    """`Σ_{k=1..order} (1 - q_y)^k / k`: the first terms of the series of -log q_y around q_y = 1.

    `order` is a whole number from 1, which is half the absolute error; as it grows the loss tends to cross entropy,
    which no finite order is. Bounded by the harmonic number of `order`. Feng et al., IJCAI 2020, section 4.
    """

    def __init__(self, num_classes: int, order: int) -> None:
        super().__init__(num_classes)
        self.order = order
        self.structure = (order,)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        rest = doubt(negative_log_likelihood(logits, targets))
        total = torch.full_like(rest, 1 / self.order)
        for k in range(self.order - 1, 0, -1):  # Horner's rule
            total = total * rest + 1 / k
        return total * rest
