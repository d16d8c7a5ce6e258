"""The network for ages of the SimLoss paper."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class AgeCNN(nn.Module):
    """Convolutions of 5x5, 7x7 and 11x11 with `width`, 2 and 4 `width` channels, a linear layer of `hidden` units.

    Max pooling halves after the first two: at 60x60 the third leaves one pixel. ReLU throughout. Images `[B, channels,
    height, width]`, of 60x60 pixels or more, to logits `[B, C]`. Weights are drawn as torch draws them.
    The layers of Kobs et al., SimLoss, ISMIS 2020 (20, 40 and 80 channels, 120 units), after Niu et al., CVPR 2016;
    the former does not say how it pools, activates and normalises, and the latter's local response normalisation is
    left out.
    """

    blocks = ("conv_1", "conv_2", "conv_3")

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, width: int = 20, hidden: int = 120) -> None:
        super().__init__()
        channels, *sides = image_shape
        rows, columns = (((side - 4) // 2 - 6) // 2 - 10 for side in sides)
        self.conv_1 = nn.Conv2d(channels, width, 5)
        self.conv_2 = nn.Conv2d(width, 2 * width, 7)
        self.conv_3 = nn.Conv2d(2 * width, 4 * width, 11)
        self.hidden = nn.Linear(4 * width * rows * columns, hidden)
        self.output = nn.Linear(hidden, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv_1(images)), 2)
        x = F.max_pool2d(F.relu(self.conv_2(x)), 2)
        x = F.relu(self.conv_3(x))
        logits: Tensor = self.output(F.relu(self.hidden(x.flatten(1))))
        return logits
