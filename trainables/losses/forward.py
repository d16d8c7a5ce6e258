"""Forward correction by a transition matrix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.matrices import transition_matrix
from trainables.losses.terms import LEAST, expected_probability, log_expected_probability

SMALLEST = 1e-8  # a label that the network thinks impossible must not make a loss of infinity


class ForwardCorrection(Loss):
    """`-log Σ_i T[i,y] q_i`: the network says the true class, T[i,j] = p(label j | class i) makes it the label's.

    `transition` is T, `[C, C]`, rows sum to 1, or the name 'identity', which is cross entropy; the caller resolves
    'true' from the noise that was made. With 'estimated' it is the identity during the first `warmup` epochs; after
    the last of them class i is represented by the training sample at the `quantile` of the probabilities of i, and
    row i of T is what the network says of that sample. Patrini et al., CVPR 2017, theorem 2 and section 4: 0.97, which
    needs more than 3 % of the samples in every class; 'ours' is 1 - 0.3 / C, the same at 10 classes.
    """

    memory = ("columns",)
    columns: Tensor  # T, transposed: one row for each label; its logarithm in log space

    def __init__(self, num_classes: int, transition: Any, warmup: int, quantile: float | str) -> None:
        super().__init__(num_classes)
        self.warmup, self.quantile = warmup, 1 - 0.3 / num_classes if isinstance(quantile, str) else quantile
        self.observes_epochs = isinstance(transition, str) and transition == "estimated"
        start = transition_matrix("identity" if self.observes_epochs else transition, num_classes)
        # Without zeros in T the sum is never smaller than its smallest entry; with them only log space is exact, and
        # what is estimated begins with them.
        self.positive = not self.observes_epochs and float(start.min()) >= LEAST
        self.structure = (self.positive,)
        columns = start.T.contiguous()
        self.hyperparameter("columns", columns if self.positive else columns.log())

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        if self.positive:
            return -expected_probability(logits, targets, self.columns).log()
        return -log_expected_probability(logits, targets, self.columns)

    def observes(self, epoch: int) -> bool:
        return self.observes_epochs and epoch == self.warmup

    @torch.no_grad()
    def end_epoch(self, epoch: int, logits: Tensor, targets: Tensor) -> None:
        if self.observes(epoch):
            estimated = estimate_transition(logits, self.quantile).clamp_min(SMALLEST)
            self.columns.copy_((estimated / estimated.sum(-1, keepdim=True)).T.log())

    def arrays(self) -> dict[str, Tensor]:
        return {"transition": self.columns.mT if self.positive else self.columns.mT.exp()}


def estimate_transition(logits: Tensor, quantile: float) -> Tensor:
    """T `[C, C]` from the network's outputs `[N, C]`: row i is q at the sample of that quantile of q_i."""
    q = logits.double().softmax(-1)
    rank = round(quantile * (len(q) - 1))
    return q[q.argsort(dim=0, stable=True)[rank]]
