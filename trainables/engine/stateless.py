"""A module called with tensors in the place of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from trainables.engine.layout import named_tensors


class Stateless:
    """`torch.func.functional_call` for many calls: where the tensors belong is looked up once."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        names = {id(tensor): name for name, tensor in named_tensors(module).items()}  # one for tensors that are tied
        self.places: list[tuple[dict[str, Any], str, str]] = [
            (owned, key, names[id(tensor)])
            for each in module.modules()
            for owned in (each._parameters, each._buffers)
            for key, tensor in owned.items()
            if tensor is not None
        ]

    def __call__(self, tensors: Mapping[str, Tensor], *inputs: Any) -> Any:
        """What the module makes of the inputs, with `tensors` in the place of all its parameters and buffers."""
        own = [owned[key] for owned, key, _ in self.places]
        try:
            for owned, key, name in self.places:
                owned[key] = tensors[name]
            return self.module(*inputs)
        finally:
            for (owned, key, _), tensor in zip(self.places, own, strict=True):
                owned[key] = tensor
