"""What a loss is: a module whose hyperparameters are buffers, so that many of them stack into one.

Every number that differs from trial to trial is a 0-d (or matrix) buffer: the engine stacks the losses of a family
over lanes exactly as it stacks networks. Anything that changes the structure of the computation is an ordinary
attribute, named in `structure`, and keeps lanes in separate groups.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable

import torch
from torch import Tensor, nn


class Loss(nn.Module, ABC):
    """A classification loss that is a mean over samples.

    Call it with logits `[B, C]`, targets `[B]` (int64 in [0, C)) and, for losses with a memory, the samples'
    `indices` in the data set `[B]`. The result is the mean over the batch, or `[B]` with `reduction="none"`.
    """

    structure: tuple[Hashable, ...] = ()

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes = {num_classes} is less than 1")
        self.num_classes = num_classes

    @abstractmethod
    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        """The loss of each sample, `[B]`."""

    def forward(
        self, logits: Tensor, targets: Tensor, indices: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        losses = self.per_sample(logits, targets, indices)
        if reduction == "none":
            return losses
        if reduction == "mean":
            return losses.mean()
        raise ValueError(f"unknown reduction '{reduction}'; reductions: mean, none")

    def hyperparameter(self, name: str, value: float) -> None:
        """Keep `value` as a 0-d buffer called `name`, in the precision of the default dtype."""
        self.register_buffer(name, torch.tensor(float(value)))


def negative_log_likelihood(log_probs: Tensor, targets: Tensor) -> Tensor:
    """-log q_y, `[B]`, from log probabilities `[B, C]`."""
    return -log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
