"""Networks by name, one per file, adapted to the input's shape and the number of classes.

    from trainables.models import make_model
    net = make_model("small_cnn", image_shape=(1, 8, 8), num_classes=10, seed=0)

`attached.py` adds modules to blocks inside a network; a network may state its own as `blocks`, names of submodules.
May import torch, torchvision and numpy; never Ray, MLflow or the platform. The list below is plain data.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainables.names import unknown_name

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Model:
    """A network's class and its arguments with their defaults, all of them whole numbers of at least 1."""

    class_name: str
    arguments: Mapping[str, int]


MODELS: dict[str, Model] = {
    "mlp": Model("MLP", {"hidden": 128, "depth": 1}),
    "small_cnn": Model("SmallCNN", {"width": 16, "hidden": 64}),
}


def check_model(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse an unknown network, an unknown argument or one that is not a whole number from 1 with ValueError."""
    if name not in MODELS:
        raise ValueError(unknown_name("model", name, sorted(MODELS), "models"))
    for argument, value in arguments.items():
        if argument not in MODELS[name].arguments:
            known = MODELS[name].arguments
            raise ValueError(unknown_name("argument", argument, known, f"model '{name}' has"))
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{argument} = {value!r} is not a whole number of at least 1")


def make_model(
    name: str, *, image_shape: tuple[int, int, int], num_classes: int, seed: int, **arguments: Any
) -> nn.Module:
    """The network `name` for images `[channels, height, width]`, its weights drawn from `seed` alone.

    Raises ValueError as `check_model` does, and for a network that does not fit into memory.
    """
    import torch

    check_model(name, arguments)
    cls = getattr(importlib.import_module(f"trainables.models.{name}"), MODELS[name].class_name)
    with torch.random.fork_rng(devices=[]):  # modules draw from the global generator; it is put back afterwards
        torch.manual_seed(seed)
        try:
            net: nn.Module = cls(image_shape=image_shape, num_classes=num_classes, **arguments)
        except (RuntimeError, TypeError, OverflowError, MemoryError) as problem:
            if not _about_size(problem):
                raise
            given = ", ".join(f"{argument} = {value}" for argument, value in arguments.items())
            raise ValueError(f"model '{name}' with {given or 'its defaults'} does not fit into memory") from problem
    return net


def _about_size(problem: Exception) -> bool:
    """Whether torch could not allocate a tensor, or not even count its elements; it has no type for either."""
    return isinstance(problem, MemoryError) or re.search("memory|overflow", str(problem), re.IGNORECASE) is not None
