"""No normalisation."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.data.task import TaskData
from trainables.normalisation.base import Normalisation


class Plain(Normalisation):
    """x / 255: a scale of 0 to 1."""

    def __init__(self, data: TaskData, device: torch.device, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, images: Tensor) -> Tensor:
        return images.to(self.dtype).mul_(1 / 255)
