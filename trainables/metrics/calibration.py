"""Whether a network is right as often as it says it is."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 15


def calibration_gaps(confidence: Tensor, hits: Tensor) -> Tensor:
    """sum over the images of a bin of (right - confidence), `[.., 15]`, of two `[.., M]`.

    Bin m holds the images whose top probability lies in ((m - 1) / 15, m / 15]. Gaps of batches may be added.
    """
    bins = (confidence * BINS).ceil().clamp(1, BINS)
    members = bins.unsqueeze(-1) == torch.arange(1, BINS + 1, device=bins.device)
    return ((hits.to(confidence.dtype) - confidence).unsqueeze(-1) * members).sum(-2)


def expected_calibration_error(gaps: Tensor, num_images: int) -> Tensor:
    """sum_m |B_m| / M |acc(B_m) - conf(B_m)|, in [0, 1], `[..]`, of the gaps `[.., 15]` of all M images.

    An empty bin adds nothing. Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 3.
    """
    return gaps.abs().sum(-1) / num_images
