"""Shifting by whole pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from trainables.augmentation.base import Augmentation


class Shift(Augmentation):
    """Moved by (dy, dx), each uniform over the whole numbers from -pixels to pixels.

    The same as a crop of the image's size, at a uniformly drawn place, from the image padded by `pixels` on each side.
    `padding`: `zeros` (black, or the number 0 in images that were normalised before), or `reflect` (mirrored at the
    outermost pixels, which are not repeated). Martinez and Stiefelhagen, section 4: by 4 pixels.
    """

    def __init__(self, image_shape: tuple[int, int, int], pixels: int, padding: str) -> None:
        _, height, width = image_shape
        if pixels >= min(height, width):
            raise ValueError(
                f"shift.pixels = {pixels} moves an image of {height} x {width} out of itself; "
                f"it is at most {min(height, width) - 1}"
            )
        self.pixels, self.padding = pixels, padding

    def draw(self, count: int, generator: Generator) -> Tensor:
        return torch.randint(0, 2 * self.pixels + 1, (count, 2), generator=generator)

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        height, width = images.shape[2:]
        if self.padding == "zeros":
            padded = F.pad(images, [self.pixels] * 4)
        else:  # by index, since torch reflects no uint8
            rows, columns = (_reflected(size, self.pixels, images.device) for size in (height, width))
            padded = images.index_select(2, rows).index_select(3, columns)
        # Whole rows are copied from where they begin, four times as fast as pixels gathered one by one.
        count, channels, tall, wide = padded.shape
        planes = torch.arange(count * channels, device=images.device).view(count, channels, 1) * (tall * wide)
        rows = (draws[:, 0, None] + torch.arange(height, device=images.device)) * wide + draws[:, 1, None]
        starts = (planes + rows[:, None]).flatten()
        return padded.flatten().unfold(0, width, 1).index_select(0, starts).view(images.shape)


def _reflected(size: int, pixels: int, device: torch.device) -> Tensor:
    places = torch.arange(-pixels, size + pixels, device=device).abs()
    return size - 1 - (size - 1 - places).abs()
