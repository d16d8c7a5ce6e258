"""What becomes of wrong training labels: learned by heart, or seen through."""

from __future__ import annotations

from torch import Tensor


def memorised(predicted: Tensor, labels: Tensor, clean: Tensor) -> Tensor:
    """Of the images with a wrong label the share predicted as that wrong label, `[..]`, of three `[.., N]`.

    NaN where no label is wrong. Liu et al., Early-Learning Regularization, 2020, figure 1.
    """
    wrong = labels != clean
    return ((predicted == labels) & wrong).sum(-1) / wrong.sum(-1)


def still_true(predicted: Tensor, labels: Tensor, clean: Tensor) -> Tensor:
    """Of the images with a wrong label the share predicted as their true class, `[..]`, of three `[.., N]`.

    NaN where no label is wrong.
    """
    wrong = labels != clean
    return ((predicted == clean) & wrong).sum(-1) / wrong.sum(-1)
