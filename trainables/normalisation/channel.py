"""Channel mean and standard deviation."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.data.task import TaskData
from trainables.normalisation.base import Normalisation


class Channel(Normalisation):
    """(x - mean) / sd, of each channel's pixels in the training part. A channel that never changes has sd 1."""

    def __init__(self, data: TaskData, device: torch.device, dtype: torch.dtype) -> None:
        mean, deviation = (
            torch.as_tensor(values * 255, dtype=dtype, device=device).view(-1, 1, 1) for values in data.pixel_statistics
        )
        self.dtype, self.shift, self.scale = dtype, mean, 1 / deviation

    def __call__(self, images: Tensor) -> Tensor:
        return images.to(self.dtype).sub_(self.shift).mul_(self.scale)
