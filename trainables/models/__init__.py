"""Networks by name, one per file, adapted to the input's shape and the number of classes.

    from trainables.models import make_model
    net = make_model("small_cnn", image_shape=(1, 8, 8), num_classes=10, seed=0)

`catalogue.py` lists them with their arguments, `model.py` says what is said of each; `from_torchvision.py` makes
`torchvision.NAME`, `own.py` a user's own, `my_package.nets:MyNet`. `measure.py` counts parameters and multiply-adds;
`lone_image.py` refuses batches of one image where BatchNorm needs two; `attached.py` adds modules to blocks inside a
network; a network may state its own as `blocks`, names of submodules.
May import torch, torchvision and numpy; never Ray, MLflow or the platform. The catalogue is plain data.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainables.models.catalogue import MODELS, torchvision_model
from trainables.models.model import Model
from trainables.models.own import own_model, own_network
from trainables.names import unknown_name
from trainables.own import is_own

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MODELS", "Model", "check_fits", "check_model", "complete_model", "get_model", "make_model", "smallest"]


def get_model(name: str) -> Model:
    """The network called `name`, `torchvision.NAME` or the user's own at that import path.

    ValueError where there is none.
    """
    if is_own(name):
        return own_model(name)
    if name.startswith("torchvision."):
        return torchvision_model(name.partition(".")[2])
    if name not in MODELS:
        known = [*sorted(MODELS), "torchvision.NAME", "MODULE:CLASS"]
        raise ValueError(unknown_name("model", name, known, "models"))
    return MODELS[name]


def check_model(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse an unknown network, an unknown argument or a value outside its range with ValueError."""
    get_model(name).check(arguments)


def complete_model(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The network as a trial describes it: `name` and all arguments, a preset under the name of what it is one of.

    Raises ValueError as `check_model` does.
    """
    model = get_model(name)
    return {"name": model.base or model.name, **model.complete(arguments)}


def smallest(name: str) -> tuple[str, dict[str, Any]]:
    """A network of the same kind at its smallest useful depth and width, by name and arguments.

    Of a network of which no smaller one is known, a user's own or one of torchvision's, it is itself.
    """
    tiny, arguments = get_model(name).tiny or (name, {})
    return tiny, dict(arguments)


def check_fits(name: str, *, image_shape: tuple[int, int, int], num_classes: int, **arguments: Any) -> None:
    """Refuse images `[channels, height, width]` that the network cannot take with ValueError.

    Only a network whose limits the catalogue does not know is made for it.
    """
    model = get_model(name)
    model.check(arguments)
    model.check_image(image_shape)
    if not model.smallest_side:
        device = "cpu" if is_own(name) else "meta"
        make_model(name, image_shape=image_shape, num_classes=num_classes, seed=0, device=device, **arguments)


def make_model(
    name: str,
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
    seed: int,
    device: str = "cpu",
    **arguments: Any,
) -> nn.Module:
    """The network `name` for images `[channels, height, width]`, its weights drawn from `seed` alone.

    On the device `meta` it has shapes and no weights. Raises ValueError as `check_model` does, for images that are too
    small for it, and for a network that does not fit into memory.
    """
    import torch

    model = get_model(name)
    model.check(arguments)
    model.check_image(image_shape)
    with torch.random.fork_rng(devices=[]):  # modules draw from the global generator; it is put back afterwards
        torch.manual_seed(seed)
        try:
            with torch.device(device):
                return _made(model, image_shape, num_classes, arguments)
        except (RuntimeError, TypeError, OverflowError, MemoryError) as problem:
            if not _about_size(problem):
                raise
            given = ", ".join(f"{argument} = {value}" for argument, value in arguments.items())
            raise ValueError(f"model '{name}' with {given or 'its defaults'} does not fit into memory") from problem


def _made(model: Model, image_shape: tuple[int, int, int], num_classes: int, arguments: Mapping[str, Any]) -> nn.Module:
    if is_own(model.name):
        return own_network(model.name, image_shape, num_classes, model.complete(arguments))
    module, _, attribute = model.made_by.partition(":")
    maker = getattr(importlib.import_module(module), attribute)
    network: nn.Module = maker(
        image_shape=image_shape, num_classes=num_classes, **model.given, **model.complete(arguments)
    )
    return network


def _about_size(problem: Exception) -> bool:
    """Whether torch could not allocate a tensor, or not even count its elements; it has no type for either."""
    return isinstance(problem, MemoryError) or re.search("memory|overflow", str(problem), re.IGNORECASE) is not None
