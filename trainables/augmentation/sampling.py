"""Images read between their pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resampled(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Images `[N, channels, height, width]` read at `x`, `y` `[N, height, width]`, bilinearly.

    Both in pixels from the image's centre, rightwards and downwards; what lies outside is zero. uint8 images are
    interpolated in float32 and rounded to the nearest whole number. Both are to be of `precision(images)`.
    """
    height, width = images.shape[2:]
    exact = images.to(precision(images))
    grid = torch.stack([x * (2 / width), y * (2 / height)], dim=-1)
    result = F.grid_sample(exact, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return result if images.is_floating_point() else result.round_().clamp_(0, 255).to(images.dtype)


def precision(images: Tensor) -> torch.dtype:
    """The type in which places in images are computed: their own, float32 for uint8."""
    return images.dtype if images.is_floating_point() else torch.float32
