"""Focal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import doubt, negative_log_likelihood


class FocalLoss(Loss):
    """`-(1 - q_y)^γ log q_y`: samples that the network has right and is sure of count little.

    `gamma >= 0`, 2 in the paper; `gamma = 0` is cross entropy. The paper's class weights are not part of it.
    Lin et al., ICCV 2017, eq. 4.
    """

    gamma: Tensor

    def __init__(self, num_classes: int, gamma: float) -> None:
        super().__init__(num_classes)
        self.hyperparameter("gamma", gamma)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        nll = negative_log_likelihood(logits, targets)
        # Below 1 the power's slope is infinite at 0, where a sure answer puts it.
        return doubt(nll).clamp_min(torch.finfo(nll.dtype).tiny).pow(self.gamma) * nll
