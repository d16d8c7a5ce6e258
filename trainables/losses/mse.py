"""Squared error of the probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.losses.base import Loss


class MeanSquaredError(Loss):
    """`Σ_i (q_i - [i=y])²`: softmax, then the squared distance to the one-hot label, in [0, 2].

    Summed over classes, which is what Martinez and Stiefelhagen, section 3.2, call the gradient scaled by the number
    of classes. Ghosh, Kumar and Sastry, AAAI 2017. No setting is cross entropy.
    """

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        q = logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
        minus_one = q.new_full((), -1).expand(targets.shape).unsqueeze(-1)
        return q.scatter_add(-1, targets.unsqueeze(-1), minus_one).square().sum(-1)
