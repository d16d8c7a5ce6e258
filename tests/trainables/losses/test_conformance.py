"""The conformance kit finds losses that break a promise, and passes one of somebody else's that keeps them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.conformance import (
    CHECKS,
    ConformanceError,
    Subject,
    check_compiled,
    check_formula,
    check_neutral,
    check_stacked,
)
from trainables.losses.conformance.checks import (
    check_autocast,
    check_extremes,
    check_gradient,
    check_memory,
    check_one_class,
    check_reduction,
    check_reports,
    check_state,
)


class Scaled(Loss):
    """Somebody's loss: cross entropy times a number."""

    scale: Tensor

    def __init__(self, num_classes: int, scale: float = 2.0) -> None:
        super().__init__(num_classes)
        self.hyperparameter("scale", scale)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return -self.scale * logits.log_softmax(-1).gather(-1, targets[:, None]).squeeze(-1)


class Overflowing(Scaled):
    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return logits.exp().sum(-1).log() - logits.gather(-1, targets[:, None]).squeeze(-1)


class Detached(Scaled):
    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return super().per_sample(logits, targets, indices) + logits.detach().square().mean(-1)


class Normalised(Scaled):
    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        log_q = logits.log_softmax(-1)
        return log_q.gather(-1, targets[:, None]).squeeze(-1) / log_q.sum(-1)


class Halved(Scaled):
    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return super().per_sample(logits, targets, indices) * (0.5 if logits.dtype == torch.bfloat16 else 1)


class Summed(Scaled):
    def forward(
        self, logits: Tensor, targets: Tensor, indices: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        losses = self.per_sample(logits, targets, indices)
        return losses if reduction == "none" else losses.sum()


class Counting(Scaled):
    """Remembers how often it was called, in training and in evaluation."""

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        self.scale.add_(1)
        return super().per_sample(logits, targets, indices)


class Unnamed(Counting):
    """Does so in training alone, but does not say that it remembers."""

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        parent = super() if self.training else super(Counting, self)
        return parent.per_sample(logits, targets, indices)


class Replacing(Scaled):
    memory = ("scale",)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        if self.training:
            self.scale = self.scale + 1
        return super().per_sample(logits, targets, indices)


class Forgetful(Scaled):
    """Keeps a number that is not part of its state."""

    calls = 0

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        self.calls += self.training
        return super().per_sample(logits, targets, indices) * self.calls


class Branching(Scaled):
    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        losses = super().per_sample(logits, targets, indices)
        return losses if self.scale > 3 else losses / 2


class Fixed(Scaled):
    """Its number is an attribute, and would be the first lane's in all of them."""

    def __init__(self, num_classes: int, scale: float = 2.0) -> None:
        super().__init__(num_classes, 1.0)
        self.fixed = scale

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return self.fixed * super().per_sample(logits, targets, indices)


class Chatty(Scaled):
    def metrics(self) -> dict[str, Tensor]:
        return {"scales": self.scale.expand(3)}


def subject(kind: type[Scaled], scale: float = 2.0) -> Subject:
    return Subject(lambda num_classes: kind(num_classes, scale).double())


def formula(log_q: np.ndarray, y: int, scale: float = 2.0) -> float:
    return -scale * log_q[y]


def test_somebody_elses_loss_passes() -> None:
    for check in CHECKS:
        check(subject(Scaled))
    check_formula(subject(Scaled), formula)
    check_neutral(subject(Scaled, 1.0))
    check_stacked([subject(Scaled, scale) for scale in (1.0, 2.0, 3.0)])


@pytest.mark.parametrize(
    ("kind", "check", "message"),
    [
        (Overflowing, check_extremes, "sure and right: the loss is not finite"),
        (Detached, check_gradient, "the gradient is not that of finite differences"),
        (Normalised, check_one_class, "one class: the loss is not finite"),
        (Halved, check_autocast, "the loss under autocast to torch.bfloat16 at scale 1 is off by"),
        (Summed, check_reduction, "the mean of the samples' losses and the batch's term is off by"),
        (Counting, check_memory, "evaluation changed 'scale'"),
        (Unnamed, check_memory, "training changed 'scale', which is not named in memory"),
        (Replacing, check_memory, "'scale' was replaced in training, not changed in place"),
        (Forgetful, check_state, "after restoring, the loss is"),
        (Chatty, check_reports, "metric 'scales' is not one finite number"),
        (Scaled, check_neutral, "the loss at the neutral setting is off by"),
        (Scaled, partial(check_formula, formula=partial(formula, scale=2.1)), "the loss is off by"),
    ],
)
def test_broken_promise_is_found(kind: type[Scaled], check: Callable[[Subject], None], message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check(subject(kind))


def test_number_that_is_no_buffer_is_found_where_lanes_differ_in_it() -> None:
    with pytest.raises(ConformanceError, match="the loss of lane 1 is off by"):
        check_stacked([subject(Fixed, scale) for scale in (1.0, 2.0)])


def test_branch_on_a_value_is_found_by_stacking_and_by_compiling() -> None:
    with pytest.raises(RuntimeError, match="data-dependent control flow"):
        check_stacked([subject(Branching, scale) for scale in (1.0, 4.0)])
    with pytest.raises(Exception, match=r"(?i)data.dependent"):
        check_compiled(subject(Branching))
