"""A task's images on the training device, shared by all lanes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainables.data.task import TaskData


class DeviceData:
    """uint8 images in the device's memory; a batch is an index, normalised by the training pixels' statistics."""

    def __init__(self, data: TaskData, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.train_images = torch.from_numpy(np.array(data.pool.images[data.train_index])).to(device)
        val_images = torch.from_numpy(np.array(data.pool.images[data.val_index])).to(device)
        mean, deviation = (
            torch.as_tensor(values * 255, dtype=dtype, device=device).view(-1, 1, 1) for values in data.pixel_statistics
        )
        self.shift, self.scale = mean, 1 / deviation
        self.val_images = self.normalised(val_images)
        self.num_train, self.num_val = len(data.train_index), len(data.val_index)
        self.image_shape, self.num_classes = data.pool.image_shape, data.pool.num_classes

    def normalised(self, images: Tensor) -> Tensor:
        """uint8 images as numbers of mean 0 and standard deviation 1 per channel."""
        return images.to(self.dtype).sub_(self.shift).mul_(self.scale)

    def batch(self, indices: Tensor) -> Tensor:
        """Training images `[L, B, channels, height, width]` at `indices` `[L, B]`."""
        return self.normalised(self.train_images[indices])
