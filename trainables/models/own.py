"""A user's own network, named by its import path `my_package.nets:MyNet`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from trainables.kinds import Flag, Integer, Kind, Real
from trainables.models.model import Model
from trainables.own import load_object

if TYPE_CHECKING:
    from torch import nn

GIVEN = ("image_shape", "num_classes")  # what the caller knows of the data
TAKEN = ("name", "seed", "device")  # what the engine says with these words
LARGEST = 2**63 - 1


@cache
def own_model(name: str) -> Model:
    """The network at `name`: a subclass of `nn.Module`, or a function that gives one.

    It is called with `image_shape`, `(channels, height, width)`, `num_classes` and the arguments, which are those of
    its signature: whole or real numbers and flags, by their defaults, unless an attribute `arguments` describes them
    with the kinds of `trainables/kinds.py`. Raises ValueError where it cannot be imported, does not take what it is
    given, or an argument is undescribed.
    """
    made_by = load_object(name, "model")
    try:
        parameters = dict(inspect.signature(made_by).parameters)
    except (TypeError, ValueError):
        raise ValueError(f"model '{name}' is neither a class nor a function; name one that makes a network") from None
    for given in GIVEN:
        if parameters.pop(given, None) is None:
            raise ValueError(f"model '{name}' takes no {given}; it is called with {' and '.join(GIVEN)}: add them")
    if taken := set(TAKEN) & set(parameters):
        raise ValueError(f"model '{name}': an argument cannot be called {sorted(taken)[0]}; rename it")
    declared = getattr(made_by, "arguments", {})
    title = (inspect.getdoc(made_by) or name).splitlines()[0]
    return Model(
        name=name,
        made_by=name,
        title=title,
        paper=getattr(made_by, "paper", "your own"),
        arguments={
            each: declared.get(each) or _kind(name, each, parameter.default)
            for each, parameter in parameters.items()
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        },
        tiny=(name, {}),
    )


def own_network(
    name: str, image_shape: tuple[int, int, int], num_classes: int, arguments: Mapping[str, Any]
) -> nn.Module:
    """The network at `name`, tried on two black images.

    Raises ValueError where it cannot be made, cannot take such images, or gives anything but logits `[B, C]` or a list
    of them.
    """
    import torch
    from torch import nn

    try:
        network = load_object(name, "model")(image_shape=image_shape, num_classes=num_classes, **arguments)
        if not isinstance(network, nn.Module):
            raise ValueError(f"it gives {type(network).__name__}, not an nn.Module")
        like = next(iter(network.parameters()), torch.empty(0))
        training = network.training
        with torch.no_grad():
            outputs = network.eval()(torch.zeros(2, *image_shape, dtype=like.dtype, device=like.device))
        network.train(training)
    except MemoryError:
        raise
    except Exception as problem:  # whatever the user's code raises
        said = str(problem).partition("\n")[0]
        kind = "" if isinstance(problem, ValueError) else f"{type(problem).__name__}: "
        raise ValueError(f"model '{name}' with images of {list(image_shape)}: {kind}{said}") from problem
    for logits in outputs if isinstance(outputs, list | tuple) else [outputs]:
        found = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        if found != [2, num_classes]:
            raise ValueError(f"model '{name}' gives {found} for 2 images; logits are [2, {num_classes}]")
    return network


def _kind(name: str, argument: str, default: Any) -> Kind:
    if isinstance(default, bool):
        return Flag(default)
    if isinstance(default, int):
        return Integer(default, -LARGEST, LARGEST)
    if isinstance(default, float):
        return Real(default)
    raise ValueError(
        f"model '{name}': say what {argument} is: give it a number or a flag as default, or describe it in an "
        f"attribute arguments = {{'{argument}': Choice(...)}}"
    )
