"""Wide residual networks."""

from __future__ import annotations

from torch import Tensor, nn

from trainables.models.initial import he_normal
from trainables.models.residual import Head, PreActivationBlock, convolution


class WideResNet(nn.Module):
    """WRN-`depth`-`width`: three stages of n pre-activation blocks with 16, 32 and 64 times `width` channels.

    `depth` = 6 n + 4. The second and the third stage halve the image; 1x1 convolutions project where the shape changes;
    `dropout` stands between a block's two convolutions. Images `[B, channels, height, width]` to logits `[B, C]`.
    Weights: `he_normal`. Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016. The network that the MSL paper
    prints under this name is `wrn28_10_msl`.

    Its `blocks` are the first convolution, `conv_1`, and the stages `conv_2` to `conv_4` (the paper's conv1 to conv4).
    """

    blocks = ("conv_1", "conv_2", "conv_3", "conv_4")

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        depth: int = 28,
        width: int = 10,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()

        def stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
            first = PreActivationBlock(inputs, outputs, stride, shortcut="B", dropout=dropout)
            count = (depth - 4) // 6 - 1
            return nn.Sequential(first, *(PreActivationBlock(outputs, outputs, dropout=dropout) for _ in range(count)))

        self.conv_1 = convolution(image_shape[0], 16)
        self.conv_2 = stage(16, 16 * width, 1)
        self.conv_3 = stage(16 * width, 32 * width, 2)
        self.conv_4 = stage(32 * width, 64 * width, 2)
        self.head = Head(64 * width, num_classes, activation=True)
        he_normal(self)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.conv_4(self.conv_3(self.conv_2(self.conv_1(images)))))
        return logits
