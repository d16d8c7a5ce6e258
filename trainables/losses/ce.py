"""Cross entropy."""

from __future__ import annotations

from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import negative_log_likelihood


class CrossEntropy(Loss):
    """`-log q_y` with q = softmax(logits): the baseline of every comparison."""

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return negative_log_likelihood(logits, targets)
