"""A user's own loss, named by its import path `my_package.losses:MyLoss`, as a family."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from trainables.losses.families.family import Family
from trainables.losses.families.kinds import Hyperparameter, Integer, Real
from trainables.own import load_object

GIVEN = ("num_classes", "num_samples", "num_modules")  # what the caller knows of the data and the network
LARGEST = 2**63 - 1


@cache
def own_family(name: str) -> Family:
    """The family of the loss at `name`, a subclass of `trainables.losses.base.Loss`.

    Its hyperparameters are the arguments of `__init__` beside `num_classes` (and `num_samples`, `num_modules`, where
    it wants them): real or whole numbers, by their defaults, unless a class attribute `hyperparameters` describes them
    as the catalogue does. `formula`, `paper` and `neutral` may be class attributes too.
    Raises ValueError where it cannot be imported, is not a loss, or an argument is undescribed.
    """
    cls = own_class(name)
    parameters = inspect.signature(cls.__init__).parameters
    title = (inspect.getdoc(cls) or cls.__name__).splitlines()[0]
    return Family(
        name=name,
        class_name=cls.__name__,
        title=title,
        formula=getattr(cls, "formula", title),
        paper=getattr(cls, "paper", "your own"),
        hyperparameters=dict(_described(name, parameters, getattr(cls, "hyperparameters", {}))),
        neutral=getattr(cls, "neutral", None),
        needs_samples="num_samples" in parameters,
        attaches_modules="num_modules" in parameters,
    )


def own_class(name: str) -> Any:
    """The class at `name`; ValueError where there is none, or it is not a loss."""
    from trainables.losses.base import Loss

    found = load_object(name, "family")
    if not (isinstance(found, type) and issubclass(found, Loss)):
        raise ValueError(f"family '{name}' is not a subclass of trainables.losses.base.Loss")
    return found


def _described(
    name: str, parameters: Mapping[str, inspect.Parameter], declared: Mapping[str, Hyperparameter]
) -> Iterator[tuple[str, Hyperparameter]]:
    for argument, parameter in parameters.items():
        if argument in ("self", *GIVEN):
            continue
        default = parameter.default
        if argument in declared:
            yield argument, declared[argument]
        elif isinstance(default, bool) or not isinstance(default, int | float):
            raise ValueError(
                f"family '{name}': say what {argument} is: give it a number as default, or describe it in a class "
                f"attribute hyperparameters = {{'{argument}': Real(...)}}"
            )
        elif isinstance(default, int):
            yield argument, Integer(default, -LARGEST, LARGEST)
        else:
            yield argument, Real(default)
