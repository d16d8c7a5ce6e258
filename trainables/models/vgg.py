"""The VGG network of the MSL paper."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from trainables.models.initial import he_normal
from trainables.models.residual import Head


class VGG(nn.Module):
    """Four blocks of 3x3 convolutions with `width`, 2, 4 and 8 `width` channels, max pooling between them.

    `depth` = 4 m counts the layers with weights: m - 1 convolutions in the first block, m in the others, and the linear
    layer after global average pooling. The MSL paper's modified VGG16 (Do, Jin, Nguyen and Kim, Table 1) is depth 16 at
    width 64: 3, 4, 4 and 4 convolutions. Whether it has BatchNorm the paper does not say: with `batch_norm`, the
    default, each convolution has it before its ReLU. Images `[B, channels, height, width]`, of 8x8 pixels or more, to
    logits `[B, C]`. Weights: `he_normal`.

    Its `blocks` are the table's, `conv_1` to `conv_4`, before the pooling. Configurations 1 to 7 of the paper's Table 2
    are msl's modules: last; conv_3; conv_2; conv_1; conv_2+conv_3; conv_1+conv_3; all.
    """

    blocks = ("conv_1", "conv_2", "conv_3", "conv_4")

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        depth: int = 16,
        width: int = 64,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()

        def block(inputs: int, outputs: int, count: int) -> nn.Sequential:
            layers: list[nn.Module] = []
            for each in [inputs, *[outputs] * (count - 1)]:
                layers.append(nn.Conv2d(each, outputs, 3, padding=1, bias=not batch_norm))
                layers += [nn.BatchNorm2d(outputs), nn.ReLU()] if batch_norm else [nn.ReLU()]
            return nn.Sequential(*layers)

        self.conv_1 = block(image_shape[0], width, depth // 4 - 1)
        self.conv_2 = block(width, 2 * width, depth // 4)
        self.conv_3 = block(2 * width, 4 * width, depth // 4)
        self.conv_4 = block(4 * width, 8 * width, depth // 4)
        self.head = Head(8 * width, num_classes)
        he_normal(self)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for stage in (self.conv_1, self.conv_2, self.conv_3):
            x = F.max_pool2d(stage(x), 2)
        logits: Tensor = self.head(self.conv_4(x))
        return logits
