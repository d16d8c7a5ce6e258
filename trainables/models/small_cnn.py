"""A small convolutional network for small images."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Two 3x3 convolutions (`width`, 2 `width` channels), each halved by max pooling, and a hidden linear layer.

    For images of 4x4 pixels or more. Images `[B, channels, height, width]` to logits `[B, C]`. At 8x8 grey, width 16
    and 10 classes: 13,706 parameters.
    """

    blocks = ("conv1", "conv2")

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, width: int = 16, hidden: int = 64) -> None:
        super().__init__()
        channels, height, breadth = image_shape
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.hidden = nn.Linear(2 * width * (height // 4) * (breadth // 4), hidden)
        self.output = nn.Linear(hidden, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(images)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        logits: Tensor = self.output(F.relu(self.hidden(x.flatten(1))))
        return logits
