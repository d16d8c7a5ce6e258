"""Temperature scaling: softmax(z / T), with T fitted to one half of the images and used on the other.

A temperature judged on the images it was fitted to would flatter the network. The two halves are the images at even
and at odd places of each batch; `[.., 2]` below is one number for each half. Guo et al., On Calibration of Modern
Neural Networks, 2017, section 4.2, who fit to a validation set and judge on a test set, which no search may read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from trainables.metrics.scores import at_targets

HOTTEST = 20.0  # T is looked for between 1/20 and 20
STEPS = 12  # of bisection: T is found to 0.1 %

Pairs = tuple[Tensor, Tensor]  # the logits of a batch in pairs, `[C, .., P, 2]`, and those of the labels `[.., P, 2]`


def in_pairs(logits: Tensor, targets: Tensor) -> Pairs:
    """A batch's logits `[.., B, C]`, less the largest of each image, and those of its labels `[.., B]`, in pairs.

    The last of an odd number has a partner of zeros, which is the same at any temperature. Labels may have more
    leading axes than logits.
    """
    relative = (logits - logits.amax(-1, keepdim=True))[(None,) * (targets.dim() + 1 - logits.dim())]
    odd = logits.shape[-2] % 2
    own = pad(at_targets(relative, targets), (0, odd)).unflatten(-1, (-1, 2))
    # classes first, because sums over a long axis of images are quick and those over a short axis of classes are not
    return pad(relative.movedim(-1, 0).contiguous(), (0, odd)).unflatten(-1, (-1, 2)), own


def fit_log_temperatures(batches: Sequence[Pairs]) -> Tensor:
    """log T of least NLL for each half, `[.., 2]`: its slope's zero, by bisection between log 1/20 and log 20.

    NLL is convex in 1/T, with the slope sum_i (E_q[z_i] - z_iy), so that its sign alone says where T lies. T is near
    a bound where none is best (all images right), and 1 where none is better than another (logits all alike).
    """
    labels = batches[0][1]
    log_temperatures = torch.zeros(*labels.shape[:-2], 2, dtype=labels.dtype, device=labels.device)
    for step in range(1, STEPS + 1):
        slope = torch.zeros_like(log_temperatures)
        for logits, own in batches:
            weights = _weights(logits, log_temperatures)
            slope += ((weights * logits).sum(0) / weights.sum(0) - own).sum(-2)
        log_temperatures += slope.sign() * (math.log(HOTTEST) / 2**step)
    return log_temperatures + 0 * slope  # NaN where the slope is: its sign is 0


def scaled_confidence(logits: Tensor, log_temperatures: Tensor, num_images: int) -> Tensor:
    """The top probability of a batch's images `[.., B]`, each at the temperature that the other half was fitted to."""
    weights = _weights(logits, log_temperatures.flip(-1))
    return (1 / weights.sum(0)).flatten(-2)[..., :num_images]  # the largest weight is 1


def common_temperature(log_temperatures: Tensor) -> Tensor:
    """The geometric mean of the two halves' temperatures, `[..]`, of `[.., 2]`; above 1 the network is too sure."""
    return log_temperatures.mean(-1).exp()


def _weights(logits: Tensor, log_temperatures: Tensor) -> Tensor:
    """exp(z / T), `[C, .., P, 2]`: probabilities but for a factor."""
    return (logits * (-log_temperatures).exp().unsqueeze(-2)).exp()
