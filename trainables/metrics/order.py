"""How far a prediction is from its label where classes have an order, such as ages. Kobs et al., SimLoss, 2020."""

from __future__ import annotations

from torch import Tensor


def absolute_error(predicted: Tensor, targets: Tensor) -> Tensor:
    """|predicted - y| in classes, `[.., M]`; its mean is the MAE."""
    return (predicted - targets).abs()


def squared_error(predicted: Tensor, targets: Tensor) -> Tensor:
    """(predicted - y)^2, `[.., M]`; its mean is the MSE."""
    return (predicted - targets).square()
