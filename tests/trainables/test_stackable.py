"""Which networks train beside one another."""

from __future__ import annotations

import pytest
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.engine.stackable import why_alone

SHAPE = (1, 8, 8)


class Plain(nn.Module):
    def __init__(self, image_shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        self.norm, self.output = nn.BatchNorm2d(1), nn.Linear(64, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.norm(images).flatten(1))


class Branching(Plain):
    def forward(self, images: Tensor) -> Tensor:
        outputs = super().forward(images)
        return outputs if outputs.sum() > 0 else -outputs


class Drawing(Plain):
    def forward(self, images: Tensor) -> Tensor:
        return F.dropout(super().forward(images))


class Averaging(Plain):
    def __init__(self, image_shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__(image_shape, num_classes)
        self.norm.momentum = None


@pytest.mark.parametrize("name", ["mlp", "small_cnn", f"{__name__}:Plain"])
def test_networks_of_functional_layers_are_stacked(name: str) -> None:
    assert why_alone({"name": name}, image_shape=SHAPE, num_classes=10) is None


def test_a_residual_network_is_stacked() -> None:
    assert why_alone({"name": "resnet20", "width": 4}, image_shape=(3, 16, 16), num_classes=10) is None


@pytest.mark.parametrize(
    ("name", "because"),
    [("Branching", "data-dependent control flow"), ("Drawing", "random numbers"), ("Averaging", "item")],
)
def test_what_cannot_be_stacked_says_why(name: str, because: str) -> None:
    assert because in (why_alone({"name": f"{__name__}:{name}"}, image_shape=SHAPE, num_classes=10) or "")
