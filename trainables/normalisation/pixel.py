"""The mean image."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.data.task import TaskData
from trainables.normalisation.base import Normalisation


class Pixel(Normalisation):
    """(x - mean) / 255, the mean taken for each pixel of each channel over the training part (He et al., 2016)."""

    def __init__(self, data: TaskData, device: torch.device, dtype: torch.dtype) -> None:
        self.dtype, self.mean = dtype, torch.as_tensor(data.mean_image * 255, dtype=dtype, device=device)

    def __call__(self, images: Tensor) -> Tensor:
        return images.to(self.dtype).sub_(self.mean).mul_(1 / 255)
