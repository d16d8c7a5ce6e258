"""A loss that is to be checked, and what it is called with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainables.losses.base import Loss

Logits = Tensor | list[Tensor]


class ConformanceError(AssertionError):
    """A loss does not keep a promise."""


@dataclass(frozen=True)
class Batch:
    """What a loss is called with; `leaves` are the tensors that gradients are taken of."""

    logits: Logits
    targets: Tensor
    indices: Tensor

    @property
    def leaves(self) -> list[Tensor]:
        return [self.logits] if isinstance(self.logits, Tensor) else self.logits

    def rows(self, part: slice) -> Batch:
        """Some of the samples."""
        leaves = [leaf.detach()[part].requires_grad_() for leaf in self.leaves]
        return Batch(leaves[0] if isinstance(self.logits, Tensor) else leaves, self.targets[part], self.indices[part])


@dataclass(frozen=True)
class Subject:
    """A loss to be checked: `make(num_classes)` gives a fresh one in double precision, always the same.

    A loss with a memory of samples remembers at least `num_samples`; one with attached modules takes `num_modules`
    logits, in a list where that is more than one.
    """

    make: Callable[[int], Loss]
    num_classes: int = 5
    num_samples: int = 64
    num_modules: int = 1

    def batch(
        self, size: int = 12, *, scale: float = 3.0, dtype: torch.dtype = torch.float64, num_classes: int | None = None
    ) -> Batch:
        """Random logits of that scale; the same for the same arguments."""
        classes = num_classes or self.num_classes
        generator = torch.Generator().manual_seed(size)
        drawn = torch.randn(self.num_modules, size, classes, generator=generator, dtype=torch.float64) * scale
        leaves = [each.to(dtype).requires_grad_() for each in drawn.unbind()]
        targets = torch.randint(0, classes, (size,), generator=generator)
        indices = torch.randperm(self.num_samples, generator=generator)[:size]
        return Batch(leaves[0] if self.num_modules == 1 else leaves, targets, indices)

    def experienced(self, dtype: torch.dtype = torch.float64) -> Loss:
        """A loss that has seen a few batches, so that what it remembers is not where it began; in evaluation mode."""
        loss = self.make(self.num_classes).train()
        for size in (self.num_samples, 12):
            call(loss, self.batch(size))
        return loss.to(dtype).eval()


def call(loss: Loss, batch: Batch, **options: Any) -> Tensor:
    """The loss of a batch."""
    value: Tensor = loss(batch.logits, batch.targets, batch.indices, **options)
    return value


def gradients(loss: Loss, batch: Batch) -> list[Tensor]:
    """Of the loss of a batch, by its logits and by what the loss learns."""
    leaves = [*batch.leaves, *loss.parameters()]
    return list(torch.autograd.grad(call(loss, batch), leaves, materialize_grads=True))


def require_same(what: str, found: Tensor, expected: Tensor, tolerance: float = 1e-12) -> None:
    found, expected = found.detach(), expected.detach().to(found.dtype)
    if found.shape != expected.shape:
        raise ConformanceError(f"{what} has shape {tuple(found.shape)} and should have {tuple(expected.shape)}")
    if not torch.allclose(found, expected, rtol=tolerance, atol=tolerance):
        worst = float((found - expected).abs().max())
        raise ConformanceError(f"{what} is off by {worst:.3g}, more than {tolerance:g}")
