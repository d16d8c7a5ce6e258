"""Whether networks of one kind train beside one another, found by trying."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from trainables.engine.bank import Bank
from trainables.engine.network import make_network
from trainables.engine.optimizers import make_optimizer
from trainables.engine.stack import gradients, last, make_stack

IMAGES = 2  # of a batch


def why_alone(model: Mapping[str, Any], *, image_shape: tuple[int, int, int], num_classes: int) -> str | None:
    """Why two networks that `model` describes cannot be stacked; None where they can.

    Raises ValueError for a network that cannot be made.
    """

    def made(seed: int) -> nn.Module:
        return make_network(model, None, image_shape=image_shape, num_classes=num_classes, seed=seed)

    bank = Bank(made(0), make_optimizer("sgd", False))
    for seed in range(2):
        bank.add(made(seed), {})
    stack = make_stack(made(0), bank)
    try:
        outputs = stack.forward(torch.zeros(2, IMAGES, *image_shape))
        gradients(last(outputs).sum(), [stack])
        stack.evaluate(torch.zeros(IMAGES, *image_shape))
    except (RuntimeError, ValueError, NotImplementedError, TypeError) as problem:
        return str(problem).strip().splitlines()[0][:300]
    return None
