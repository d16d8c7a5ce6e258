"""The confusion matrix, and what follows from it."""

from __future__ import annotations

import torch
from torch import Tensor


def confusion(predicted: Tensor, targets: Tensor, num_classes: int) -> Tensor:
    """How many images of each label (row) each class (column) was predicted for, `[.., C, C]`, of two `[.., M]`."""
    pairs = targets * num_classes + predicted
    counts = torch.zeros(*pairs.shape[:-1], num_classes**2, dtype=torch.long, device=pairs.device)
    return counts.scatter_add_(-1, pairs, torch.ones_like(pairs)).unflatten(-1, (num_classes, num_classes))


def macro_f1(counts: Tensor) -> Tensor:
    """The mean over classes of 2 TP / (2 TP + FP + FN), in [0, 1], `[..]`, of a confusion `[.., C, C]`.

    A class that is among the labels but never predicted, or predicted but never a label, counts as 0; one that is
    neither is left out of the mean. That is scikit-learn's `f1_score(average="macro", zero_division=0)`.
    """
    hits = counts.diagonal(dim1=-2, dim2=-1)
    either = counts.sum(-1) + counts.sum(-2)
    return (2 * hits / either.clamp_min(1)).sum(-1) / (either > 0).sum(-1)
