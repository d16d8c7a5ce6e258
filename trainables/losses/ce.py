"""Cross entropy."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from trainables.losses.base import Loss


class CrossEntropy(Loss):
    """`-log q_y` with q = softmax(logits): the baseline of every comparison."""

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return F.cross_entropy(logits, targets, reduction="none")
