"""Where a metric's values may lie, and intervals that keep to it."""

from __future__ import annotations

import math

from trainables.metrics.catalogue import LABELS

SHARES = {"accuracy", "top5", "macro_f1", "ece", "ece_scaled", "superclass_accuracy", "memorised", "still_true"}
FROM_ZERO = {"loss", "brier", "mae", "mse"}
OWN_LOSS = "train_loss"  # the family's own, which may have any sign

Interval = tuple[float, float]


def limits_of(metric: str) -> Interval:
    """Where a metric's values may lie: a share in [0, 1], a loss or a distance from 0 on, anything else anywhere."""
    _, name, _ = parts_of(metric)
    if name in SHARES:
        return 0.0, 1.0
    return (0.0 if name in FROM_ZERO and metric != OWN_LOSS else -math.inf), math.inf


def difference_limits_of(metric: str) -> Interval:
    """Where differences of two values of a metric may lie."""
    low, high = limits_of(metric)
    return low - high, high - low


def cut(interval: Interval, limits: Interval) -> Interval:
    """The part of an interval that lies within limits."""
    return max(interval[0], limits[0]), min(interval[1], limits[1])


def parts_of(metric: str) -> tuple[str, str, str]:
    """`val`, `accuracy` and `noisy` of `val_accuracy_noisy`; no labels for a metric that has only one kind."""
    split, _, rest = metric.partition("_")
    labels = next((each for each in LABELS if rest.endswith(f"_{each}")), "")
    return split, rest.removesuffix(f"_{labels}"), labels
