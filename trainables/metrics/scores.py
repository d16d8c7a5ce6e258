"""Proper scoring rules of the predicted probabilities, per image."""

from __future__ import annotations

from torch import Tensor


def nll(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    """-log q_y, in nats, `[.., M]`, of `[.., M, C]` and `[.., M]`: cross entropy against the label."""
    return -at_targets(log_probabilities, targets)


def brier(probabilities: Tensor, targets: Tensor) -> Tensor:
    """sum_c (q_c - 1[c = y])^2, in [0, 2], `[.., M]`, of `[.., M, C]` and `[.., M]`. Brier, 1950.

    The sum runs over all classes, so that for two classes it is twice what is often given as the binary Brier score.
    """
    squares = probabilities.square().sum(-1) - 2 * at_targets(probabilities, targets) + 1
    return squares.clamp_min(0)  # a sure and right prediction may end a rounding error below


def at_targets(values: Tensor, targets: Tensor) -> Tensor:
    """values[.., i, targets[.., i]], `[.., M]`; targets may have more leading axes than values."""
    index = targets.unsqueeze(-1)
    return values.expand(*targets.shape, values.shape[-1]).gather(-1, index).squeeze(-1)
