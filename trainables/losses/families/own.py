"""A user's own loss, named by its import path `my_package.losses:MyLoss`, as a family."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
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
        hyperparameters=dict(_described(name, parameters, getattr(cls, "hyperparameters", {}))),
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
    """16 hex digits of the file that holds the loss and of what it imports from its own folder or package: another text
    is another loss.
    """
    own_class(name)
    module = name.partition(":")[0]
    root = Path(inspect.getfile(sys.modules[module.partition(".")[0]])).parent
    files = sorted(_sources(module, root, {}).items())
    return hashlib.sha256(b"".join(f"{each}\0".encode() + path.read_bytes() for each, path in files)).hexdigest()[:16]


def _sources(module: str, root: Path, found: dict[str, Path]) -> dict[str, Path]:
    """The files below `root` of `module` and of the modules that it imports, by name."""
    path = Path(getattr(sys.modules.get(module), "__file__", None) or "/")
    if module in found or not path.is_file() or not path.is_relative_to(root):
        return found
    found[module] = path
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for each in names:
            _sources(each, root, found)
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
