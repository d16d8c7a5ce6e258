"""LeNet-5, as the SimLoss paper uses it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class LeNet(nn.Module):
    """Two 5x5 convolutions (6 and 16 channels), each halved by max pooling, then linear layers of 120 and 84 units.

    ReLU throughout. Images of less than 32 pixels a side are padded by 2, so that 28x28 and 32x32 give the same 16 maps
    of 5x5: 61,706 parameters at 28x28 grey, 62,006 at 32x32 in colour, with 10 classes. Images `[B, channels, height,
    width]`, of 12x12 pixels or more, to logits `[B, C]`. Weights are drawn as torch draws them.
    LeCun et al., Gradient-Based Learning, 1998; layers as in Kobs et al., SimLoss, ISMIS 2020, which does not say how
    it pools and activates.
    """

    blocks = ("conv_1", "conv_2")

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        channels, *sides = image_shape
        padding = 2 if min(sides) < 32 else 0
        height, width = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in sides)
        self.conv_1 = nn.Conv2d(channels, 6, 5, padding=padding)
        self.conv_2 = nn.Conv2d(6, 16, 5)
        self.hidden_1 = nn.Linear(16 * height * width, 120)
        self.hidden_2 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv_1(images)), 2)
        x = F.max_pool2d(F.relu(self.conv_2(x)), 2)
        x = F.relu(self.hidden_2(F.relu(self.hidden_1(x.flatten(1)))))
        logits: Tensor = self.output(x)
        return logits
