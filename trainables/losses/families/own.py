"""A user's own loss, named by its import path `my_package.losses:MyLoss`, as a family."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from trainables.losses.families.family import Family
from trainables.losses.families.kinds import Hyperparameter, Integer, Real

GIVEN = ("num_classes", "num_samples", "num_modules")  # what the caller knows of the data and the network
LARGEST = 2**63 - 1


def is_own(name: str) -> bool:
    """Whether `name` is an import path and not a family of the catalogue."""
    return ":" in name


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
        hyperparameters=getattr(cls, "hyperparameters", None) or dict(_described(name, parameters)),
        neutral=getattr(cls, "neutral", None),
        needs_samples="num_samples" in parameters,
        attaches_modules="num_modules" in parameters,
    )


def own_class(name: str) -> Any:
    """The class at `name`; ValueError where there is none, or it is not a loss."""
    from trainables.losses.base import Loss

    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as problem:
        raise ValueError(
            f"family '{name}': {problem}; modules are looked for in the study file's folder, in the current one and "
            "among what is installed"
        ) from None
    except AttributeError:
        raise ValueError(f"family '{name}': module '{module}' has no '{attribute}'") from None
    except Exception as problem:  # whatever the user's module raises when it is imported
        raise ValueError(f"family '{name}': importing '{module}': {type(problem).__name__}: {problem}") from None
    if not (isinstance(found, type) and issubclass(found, Loss)):
        raise ValueError(f"family '{name}' is not a subclass of trainables.losses.base.Loss")
    return found


def source_digest(name: str) -> str:
    """16 hex digits of the file that holds the loss: another text is another loss."""
    return hashlib.sha256(Path(inspect.getfile(own_class(name))).read_bytes()).hexdigest()[:16]


def _described(name: str, parameters: Mapping[str, inspect.Parameter]) -> Iterator[tuple[str, Hyperparameter]]:
    for argument, parameter in parameters.items():
        if argument in ("self", *GIVEN):
            continue
        match parameter.default:
            case bool() | str() | inspect.Parameter.empty:
                raise ValueError(
                    f"family '{name}': say what {argument} is: give it a number as default, or describe it in a class "
                    f"attribute hyperparameters = {{'{argument}': Real(...)}}"
                )
            case int():
                yield argument, Integer(parameter.default, -LARGEST, LARGEST)
            case default:
                yield argument, Real(float(default))
