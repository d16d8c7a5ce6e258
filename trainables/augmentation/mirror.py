"""Mirroring."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from trainables.augmentation.base import Augmentation


class Mirror(Augmentation):
    """Left and right exchanged with probability `p`."""

    def __init__(self, image_shape: tuple[int, int, int], p: float) -> None:
        self.p = p

    def draw(self, count: int, generator: Generator) -> Tensor:
        return torch.rand(count, 1, generator=generator) < self.p

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        return torch.where(draws[:, :, None, None], images.flip(-1), images)
