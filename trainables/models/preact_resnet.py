"""The residual networks of the MSL paper."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from trainables.models.initial import he_normal
from trainables.models.residual import Head, PreActivationBlock, convolution


class PreActResNet(nn.Module):
    """Pre-activation residual network with max pooling between its stages: Do, Jin, Nguyen and Kim, Table 1.

    The table prints, for ResNetK with K in {3, 9, 18, 25}: `conv_1` 3x3 conv 16; max pooling; `conv_2` [3x3 conv 16,
    3x3 conv 16] x K; max pooling; `conv_3` the same with 32; max pooling; `conv_4` with 64; the text adds BatchNorm and
    ReLU before each convolution, global average pooling and a linear layer. Its "WRN28/10" is printed as the same with
    three 3x3 convolutions a block, 3 blocks a stage and the stages 10 times as wide (28 convolutions, which is not
    Zagoruyko's WRN-28-10): `k` = 3, `convolutions` = 3, `widening` = 10.

    Built here: that. 2x2 max pooling after `conv_1`, `conv_2` and `conv_3` halves the image, so that no convolution has
    a stride. `conv_1` stands alone, the first block normalises. BatchNorm and ReLU stand once more before the pooling
    at the end, as in He et al., ECCV 2016. Where channels change, the table is silent: `shortcut` A pads with zeros,
    B projects. With 2 convolutions a block it has 6 K + 2 layers: 20, 56, 110, 152.
    Images `[B, channels, height, width]`, of 8x8 pixels or more, to logits `[B, C]`. Weights: `he_normal`.

    Its `blocks` are the table's, `conv_1` to `conv_4`, before the pooling that follows each.
    """

    blocks = ("conv_1", "conv_2", "conv_3", "conv_4")

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        k: int = 3,
        width: int = 16,
        widening: int = 1,
        convolutions: int = 2,
        shortcut: str = "A",
    ) -> None:
        super().__init__()
        widths = [width, *(width * widening * factor for factor in (1, 2, 4))]

        def stage(inputs: int, outputs: int) -> nn.Sequential:
            channels = [inputs, *[outputs] * (k - 1)]
            blocks = (
                PreActivationBlock(each, outputs, convolutions=convolutions, shortcut=shortcut) for each in channels
            )
            return nn.Sequential(*blocks)

        self.conv_1 = convolution(image_shape[0], width)
        self.conv_2 = stage(widths[0], widths[1])
        self.conv_3 = stage(widths[1], widths[2])
        self.conv_4 = stage(widths[2], widths[3])
        self.head = Head(widths[3], num_classes, activation=True)
        he_normal(self)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for block in (self.conv_1, self.conv_2, self.conv_3):
            x = F.max_pool2d(block(x), 2)
        logits: Tensor = self.head(self.conv_4(x))
        return logits
