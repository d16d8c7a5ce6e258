"""What a loss is: a module whose hyperparameters are buffers, so that many of them stack into one.

Every number that differs from trial to trial is a 0-d (or matrix) buffer: the engine stacks the losses of a family
over lanes exactly as it stacks networks. Anything that changes the structure of the computation is an ordinary
attribute, named in `structure`, and keeps lanes in separate groups.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor, nn


class Loss(nn.Module, ABC):
    """A classification loss: a mean over samples, and perhaps a term that is added once per batch.

    Call it with logits `[B, C]`, targets `[B]` (int64 in [0, C)) and, for losses with a memory, the samples'
    `indices` in the training set `[B]`. The result is the mean over the batch plus the batch's term, or the samples'
    losses alone, `[B]`, with `reduction="none"`. A loss with attached modules takes a list of logits, one per module.

    What a loss learns is a parameter (`learned`), what it remembers a buffer named in `memory`: both are saved with a
    trial. A memory changes in training mode only, in place, so that it may be stacked. Everything must work under
    `torch.func.vmap` and `torch.compile`: no branch on a tensor's value, no shape that depends on one.
    """

    structure: tuple[Hashable, ...] = ()
    memory: tuple[str, ...] = ()
    observes_epochs: bool = False  # whether it ever asks for the network's outputs; `observes` says after which epochs

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
            raise ValueError(f"num_classes = {num_classes!r} is not a whole number of at least 1")
        self.num_classes = num_classes

    @property
    def learning_rate(self) -> Tensor | None:
        """The learning rate of what the loss learns, 0-d; None where that is the network's."""
        return None

    @abstractmethod
    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        """The loss of each sample, `[B]`."""

    def batch_term(self, logits: Tensor, targets: Tensor) -> Tensor | None:
        """What is added once per batch, 0-d: penalties on learned parameters, distances between samples."""
        return None

    def batch_loss(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        """The samples' mean plus the batch's term, 0-d; a loss that has it cheaper in one go says so here."""
        mean = self.per_sample(logits, targets, indices).mean()
        term = self.batch_term(logits, targets)
        return mean if term is None else mean + term

    def forward(
        self, logits: Tensor, targets: Tensor, indices: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        if reduction == "mean":
            return self.batch_loss(logits, targets, indices)
        if reduction != "none":
            raise ValueError(f"unknown reduction '{reduction}'; reductions: mean, none")
        return self.per_sample(logits, targets, indices)

    def observes(self, epoch: int) -> bool:
        """Whether `end_epoch` is to be called after epoch `epoch` (from 1): it costs a pass over the training set."""
        return self.observes_epochs

    def end_epoch(self, epoch: int, logits: Tensor, targets: Tensor) -> None:
        """After epoch `epoch` (from 1): the network's outputs on the training set `[N, C]` and its labels `[N]`.

        Called without gradients, never stacked, and only where `observes` says so.
        """

    def metrics(self) -> dict[str, Tensor]:
        """What is logged each epoch of what was learned or remembered, each 0-d; stackable."""
        return {}

    def arrays(self) -> dict[str, Tensor]:
        """What is kept and drawn at the best and the last epoch, `[C]` or `[C, C]`, such as a learned matrix."""
        return {}

    def warnings(self) -> Sequence[str]:
        """Sentences on what was learned, where it left its sensible range; never stacked."""
        return ()

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={buffer.item():g}" for name, buffer in self.named_buffers() if buffer.dim() == 0)

    def hyperparameter(self, name: str, value: float | Tensor) -> None:
        """Keep `value` as a buffer called `name`; in double precision, `make_loss` casts once all are there."""
        self.register_buffer(name, torch.as_tensor(value, dtype=torch.float64))

    def learned(self, name: str, start: Tensor) -> None:
        """Keep `start` as a parameter called `name`: learned by the network's optimiser, without weight decay."""
        self.register_parameter(name, nn.Parameter(start.to(torch.float64)))
