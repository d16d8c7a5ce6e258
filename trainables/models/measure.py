"""How large a network is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trainables.models import make_model
from trainables.models.attached import stated_blocks
from trainables.own import is_own


@dataclass(frozen=True)
class Size:
    """Trained parameters, multiply-adds of a forward pass for one image, and the stated blocks.

    Multiply-adds are those of convolutions, linear layers and attention, as papers count them.
    """

    parameters: int
    multiply_adds: int
    blocks: tuple[str, ...]


def measure(name: str, *, image_shape: tuple[int, int, int], num_classes: int, **arguments: Any) -> Size:
    """The size of the network `name` for images `[channels, height, width]`.

    It is made without its weights, but for a user's own. Raises ValueError as `make_model` does.
    """
    device = "cpu" if is_own(name) else "meta"
    network = make_model(
        name, image_shape=image_shape, num_classes=num_classes, seed=0, device=device, **arguments
    ).eval()
    parameters = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # no multiply-adds, and half of the time on the meta device
            module.forward = nn.Identity().forward  # type: ignore[method-assign]  # this module's alone
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.empty(1, *image_shape, device=device))
    return Size(parameters, counter.get_total_flops() // 2, stated_blocks(network))
