"""Absolute error of the probabilities."""

from __future__ import annotations

from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import doubt, negative_log_likelihood


class MeanAbsoluteError(Loss):
    """`Σ_i |q_i - [i=y]| = 2 (1 - q_y)`: softmax, then the absolute distance to the one-hot label, in [0, 2].

    Summed over classes, which is what Martinez and Stiefelhagen, section 3.2, call the gradient scaled by the number
    of classes. Symmetric: over all labels it sums to 2 (C - 1), so that uniform label noise does not move its minimum
    (Ghosh, Kumar and Sastry, AAAI 2017). No setting is cross entropy.
    """

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return 2 * doubt(negative_log_likelihood(logits, targets))
