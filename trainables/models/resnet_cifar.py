"""Residual networks for small images."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from trainables.models.initial import he_normal
from trainables.models.residual import Head, ZeroPadding, convolution


class ResNetCifar(nn.Module):
    """A 3x3 convolution, then three stages of n residual blocks with `width`, 2 `width` and 4 `width` channels.

    `depth` = 6 n + 2 counts the layers with weights. The second and the third stage halve the image. Shortcuts are the
    identity; where the shape changes, `shortcut` A takes every second pixel and pads with zeros (as He et al. on
    CIFAR, and the reference implementation that the TCE paper used), B is a 1x1 convolution and BatchNorm. Global
    average pooling and a linear layer follow. Images `[B, channels, height, width]`, of 4x4 pixels or more, to logits
    `[B, C]`. Weights: `he_normal`. He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2.

    Its `blocks` are `conv_1` (the first convolution with BatchNorm and ReLU) and the stages `conv_2` to `conv_4`.
    """

    blocks = ("conv_1", "conv_2", "conv_3", "conv_4")

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        depth: int = 20,
        width: int = 16,
        shortcut: str = "A",
    ) -> None:
        super().__init__()
        count = (depth - 2) // 6
        self.conv_1 = nn.Sequential(convolution(image_shape[0], width), nn.BatchNorm2d(width), nn.ReLU())
        self.conv_2 = _stage(width, width, 1, count, shortcut)
        self.conv_3 = _stage(width, 2 * width, 2, count, shortcut)
        self.conv_4 = _stage(2 * width, 4 * width, 2, count, shortcut)
        self.head = Head(4 * width, num_classes)
        he_normal(self)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.conv_4(self.conv_3(self.conv_2(self.conv_1(images)))))
        return logits


class _Block(nn.Module):
    """Two 3x3 convolutions with BatchNorm, ReLU between them and after the shortcut is added."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1, self.norm1 = convolution(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = convolution(outputs, outputs), nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module
        if inputs == outputs and stride == 1:
            self.shortcut = nn.Identity()
        elif shortcut == "A":
            self.shortcut = ZeroPadding(stride, outputs - inputs)
        else:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(out + self.shortcut(x))


def _stage(inputs: int, outputs: int, stride: int, count: int, shortcut: str) -> nn.Sequential:
    first = _Block(inputs, outputs, stride, shortcut)
    return nn.Sequential(first, *(_Block(outputs, outputs, 1, shortcut) for _ in range(count - 1)))
