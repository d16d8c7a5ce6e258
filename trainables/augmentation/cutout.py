"""Cutout."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from trainables.augmentation.base import Augmentation


class Cutout(Augmentation):
    """A square of side `pixels` set to zero, its centre uniform over the image's pixels (DeVries and Taylor, 2017).

    It covers rows cy - pixels // 2 to cy - pixels // 2 + pixels - 1, columns alike, as far as they lie in the image.
    Zero is black, or the number 0 in images that were normalised before; the paper cuts after normalising.
    """

    def __init__(self, image_shape: tuple[int, int, int], pixels: int) -> None:
        _, self.height, self.width = image_shape
        self.pixels = pixels

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Row and column of the centre."""
        sides = (self.height, self.width)
        return torch.stack([torch.randint(0, side, (count,), generator=generator) for side in sides], dim=1)

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        start = draws - self.pixels // 2
        rows, columns = (
            self._covered(start[:, which, None], side) for which, side in enumerate((self.height, self.width))
        )
        return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)

    def _covered(self, start: Tensor, side: int) -> Tensor:
        places = torch.arange(side, device=start.device)
        return (places >= start) & (places < start + self.pixels)
