"""Random resized crops."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from trainables.augmentation.base import Augmentation
from trainables.augmentation.sampling import precision, resampled


class Crop(Augmentation):
    """A rectangle of whole pixels at a random place, resized to the image's size.

    Its area is a share of the image's, uniform in `scale`, its width over its height log-uniform in `ratio`; width and
    height are rounded, and cut to the image's where they would exceed them; its place is uniform among those that lie
    in the image. Bilinear without antialiasing. torchvision's `RandomResizedCrop` draws alike, but draws again, up to
    ten times, where a side would be too long.
    """

    def __init__(self, image_shape: tuple[int, int, int], scale: list[float], ratio: list[float]) -> None:
        _, self.height, self.width = image_shape
        self.scale, self.ratio = scale, ratio

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Top, left, height and width."""
        area, shape, down, right = torch.rand(4, count, generator=generator, dtype=torch.float64)
        area = (self.scale[0] + (self.scale[1] - self.scale[0]) * area) * self.height * self.width
        low, high = (math.log(ratio) for ratio in self.ratio)
        ratio = (low + (high - low) * shape).exp()
        height = (area / ratio).sqrt().round().clamp(1, self.height)
        width = (area * ratio).sqrt().round().clamp(1, self.width)
        top = (down * (self.height - height + 1)).floor()
        left = (right * (self.width - width + 1)).floor()
        return torch.stack([top, left, height, width], dim=1)

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        top, left, height, width = draws.to(precision(images))[:, :, None, None].unbind(1)
        y = _places(top, height, self.height).transpose(1, 2).expand(-1, -1, self.width)
        x = _places(left, width, self.width).expand(-1, self.height, -1)
        return resampled(images, x, y)


def _places(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Where `size` pixels lie that are spread over `length` from `start` on, from the middle: `[N, 1, size]`."""
    steps = (torch.arange(size, device=length.device).to(length) + 0.5) / size
    within = (steps * length).clamp(torch.full_like(length, 0.5), length - 0.5)  # at its edge the crop ends
    return start + within - size / 2
