"""Rotation."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from trainables.augmentation.base import Augmentation
from trainables.augmentation.sampling import precision, resampled


class Rotation(Augmentation):
    """Turned counter-clockwise about the centre by an angle uniform in [-degrees, degrees].

    Bilinear; what comes in from outside the image is zero.
    """

    def __init__(self, image_shape: tuple[int, int, int], degrees: float) -> None:
        self.degrees = degrees

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Cosine and sine, because a device's own differ in the last bit with an element's place in the batch."""
        uniform = torch.rand(count, generator=generator, dtype=torch.float64)
        angles = (2 * uniform - 1) * math.radians(self.degrees)
        return torch.stack([angles.cos(), angles.sin()], dim=1)

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        cosine, sine = draws.to(precision(images))[:, :, None, None].unbind(1)
        y, x = (torch.arange(size, device=images.device).to(cosine) - (size - 1) / 2 for size in images.shape[2:])
        return resampled(images, cosine * x - sine * y[:, None], sine * x + cosine * y[:, None])
