"""Whether the label is among the most probable classes."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.metrics.scores import at_targets


def top_k(logits: Tensor, targets: Tensor, k: int) -> Tensor:
    """Whether the label is among the k largest logits, `[.., M]`, of `[.., M, C]` and `[.., M]`.

    Of equal logits the first class's counts as the largest, as in `argmax`: k = 1 is top-1 accuracy, and a network
    that gives all classes the same is right on k of C classes, not on all.
    """
    own = at_targets(logits, targets).unsqueeze(-1)
    earlier = torch.arange(logits.shape[-1], device=logits.device) < targets.unsqueeze(-1)
    ahead = (logits > own) | (earlier & (logits == own))
    return ahead.sum(-1) < k
