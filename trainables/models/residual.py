"""What residual networks are made of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution without bias, padded."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


class ZeroPadding(nn.Module):
    """The shortcut without parameters: every `stride`-th pixel, and `more` channels of zeros behind the others.

    Option A of He et al., Deep Residual Learning, CVPR 2016, section 3.3.
    """

    def __init__(self, stride: int, more: int) -> None:
        super().__init__()
        self.stride, self.more = stride, more

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))


class PreActivationBlock(nn.Module):
    """BatchNorm and ReLU before each of its 3x3 convolutions, of which the first has the stride; then the shortcut.

    Where shapes differ, shortcut A pads the block's input with zeros, B projects the input after its first BatchNorm
    and ReLU by a 1x1 convolution. Dropout stands before every convolution but the first.
    He et al., Identity Mappings in Deep Residual Networks, ECCV 2016; Zagoruyko and Komodakis, BMVC 2016.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        convolutions: int = 2,
        shortcut: str = "A",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [inputs, *[outputs] * (convolutions - 1)]
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        strides = [stride, *[1] * (convolutions - 1)]
        self.convolutions = nn.ModuleList(
            convolution(width, outputs, each) for width, each in zip(widths, strides, strict=True)
        )
        self.dropouts = nn.ModuleList(
            nn.Dropout(dropout) if dropout and place else nn.Identity() for place in range(convolutions)
        )
        self.padding = self.projection = None
        if inputs != outputs or stride != 1:
            if shortcut == "A":
                self.padding = ZeroPadding(stride, outputs - inputs)
            else:
                self.projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        first = out = F.relu(self.norms[0](x))
        for place, (norm, drop, conv) in enumerate(zip(self.norms, self.dropouts, self.convolutions, strict=True)):
            out = conv(out if place == 0 else drop(F.relu(norm(out))))
        if self.projection is not None:
            return out + self.projection(first)
        return out + (x if self.padding is None else self.padding(x))


class Head(nn.Module):
    """Where asked for BatchNorm and ReLU, then global average pooling and a linear layer: maps to logits `[B, C]`."""

    def __init__(self, channels: int, num_classes: int, *, activation: bool = False) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels) if activation else None
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm is not None:
            x = F.relu(self.norm(x))
        logits: Tensor = self.linear(x.mean((-2, -1)))
        return logits
