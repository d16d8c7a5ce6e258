"""Whether a network is right as often as it says it is."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 15


def calibration_bins(confidence: Tensor, hits: Tensor) -> Tensor:
    """The images of each bin, the sum of their confidence and how many are right, `[.., 3, 15]`, of two `[.., M]`.

    Bin m holds the images whose top probability lies in ((m - 1) / 15, m / 15]. Bins of batches may be added.
    """
    bins = (confidence * BINS).ceil().clamp(1, BINS).unsqueeze(-2)
    members = (bins == torch.arange(1, BINS + 1, device=bins.device).unsqueeze(-1)).to(confidence.dtype)
    summed = (confidence.unsqueeze(-2) * members).sum(-1)  # no number stays none, in every bin
    right = (hits.to(confidence.dtype).unsqueeze(-2) * members).sum(-1)
    return torch.stack(torch.broadcast_tensors(members.sum(-1), summed, right), dim=-2)


def expected_calibration_error(bins: Tensor) -> Tensor:
    """sum_m |B_m| / M |acc(B_m) - conf(B_m)|, in [0, 1], `[..]`, of the bins `[.., 3, 15]` of all M images.

    An empty bin adds nothing. Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 3.
    """
    images, confidence, right = bins.unbind(-2)
    return (right - confidence).abs().sum(-1) / images.sum(-1)
