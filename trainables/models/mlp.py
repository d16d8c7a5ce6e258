"""A multilayer perceptron on the flattened pixels."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from torch import Tensor, nn


class MLP(nn.Sequential):
    """`depth` hidden layers of `hidden` units with ReLU, then a linear layer. Images `[B, ...]` to logits `[B, C]`.

    Its `blocks` are the hidden layers after their ReLU: '2', '4', ...
    """

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, hidden: int = 128, depth: int = 1) -> None:
        widths = [prod(image_shape), *[hidden] * depth]
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        super().__init__(*layers, nn.Linear(widths[-1], num_classes))

        self.blocks = tuple(str(place) for place, layer in enumerate(layers) if isinstance(layer, nn.ReLU))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = super().forward(images)
        return logits
