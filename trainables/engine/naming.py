"""The names under which a lane's tensors are kept, as `LaneState` lists them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainables.engine.layout import named_tensors
from trainables.losses.base import Loss
from trainables.models.attached import Attached


def network_tensors(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of `tensors`, by the module's names, those that its `state_dict` holds, by the names under which they are kept.

    With attached modules the module's own names begin with `network.` and `attached.` already, so that what is kept as
    `network.` is always the network that one deploys.
    """
    prefix = "" if isinstance(module, Attached) else "network."
    persistent = module.state_dict().keys()
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items() if name in persistent}


def loss_tensors(loss: Loss) -> dict[str, Tensor]:
    """The tensors of a loss that training changes, its parameters and its memory, by the names they are kept under."""
    tensors = named_tensors(loss)
    return {f"loss.{name}": tensors[name] for name in [*dict(loss.named_parameters()), *loss.memory]}


def part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix` and a dot, by the rest of their names."""
    return {name[len(prefix) + 1 :]: t for name, t in tensors.items() if name.startswith(f"{prefix}.")}


@torch.no_grad()
def restore(tensors: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> None:
    """Give tensors, by the names under which they are kept, the values that were kept; KeyError where one was not."""
    for name, tensor in tensors.items():
        tensor.copy_(kept[name])
