"""A lane's network: by name, with the modules that its loss attaches and dropout of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainables.engine.dropout import use_lane_dropout
from trainables.models import make_model
from trainables.models.attached import attach


def make_network(
    model: Mapping[str, Any],
    modules: str | Sequence[str] | None,
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
    seed: int,
) -> nn.Module:
    """The network that `model` describes; with attached modules it gives a list of logits, its own last.

    Raises ValueError for one that cannot be made, does not fit into memory or has nothing to train.
    """
    network = make_model(**model, image_shape=image_shape, num_classes=num_classes, seed=seed)
    if not any(parameter.requires_grad and parameter.numel() for parameter in network.parameters()):
        raise ValueError(f"model '{model['name']}' has no weights to train")
    if modules is not None:
        network = attach(network, modules, image_shape=image_shape, num_classes=num_classes, seed=seed)
    use_lane_dropout(network)
    return network


def num_modules(network: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """How many logits the network gives for an image: 1 but where it gives a list."""
    training = network.training
    with torch.no_grad():
        outputs = network.eval()(torch.zeros(1, *image_shape))
    network.train(training)
    return 1 if isinstance(outputs, torch.Tensor) else len(outputs)
