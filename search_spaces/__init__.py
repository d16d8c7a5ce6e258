"""Search spaces: one module per loss family, plain data, each a page of a lab notebook.

A module says where its numbers come from (paper, table, equation), what a study of them costs and what came out. It
holds `SPACE`, used where a study file names the family without a space of its own, and `TINY`, the smallest set of
points that still says something. A value is a constant or one of

    {"grid": [0.0, 0.1, 0.2]}          these points, and no others
    {"uniform": [0.25, 2.0]}           any number between
    {"loguniform": [1e-3, 1e-1]}       any number between, evenly in its logarithm
    {"integer": [1, 8]}                any whole number between, both included

A key is a hyperparameter of the loss, or `training.` and a setting of the training that this family searches for
itself. May import the standard library alone.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

Space = dict[str, Any]


def space_names() -> list[str]:
    """Every family with a search space."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get_page(family: str) -> str:
    """What the module of `family` says of its numbers; empty where it has none."""
    if family not in space_names():
        return ""
    return importlib.import_module(f"search_spaces.{family}").__doc__ or ""


def get_space(family: str, *, tiny: bool = False) -> Space:
    """The search space of `family`; empty where it has no hyperparameters or no module here."""
    if family not in space_names():
        return {}
    module = importlib.import_module(f"search_spaces.{family}")
    space: Space = module.TINY if tiny else module.SPACE
    return dict(space)
