"""Every point of a finite space, in the order of the study file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import prod
from typing import Any

from study.search import Params, split_space


class GridProposer:
    """All combinations of the points of each key, the last key varying fastest; at most `limit` of them."""

    foreseeable = True

    def __init__(self, space: dict[str, Any], limit: int | None = None) -> None:
        points = distinct_points(space)
        assert points is not None, "spec refuses a grid over an interval"
        self.size = min(points, limit or points)
        self._rest = itertools.islice(_combinations(space), self.size)

    def ask(self) -> Params | None:
        return next(self._rest, None)

    def recall(self, params: Params) -> bool:
        return False

    def learn(self, params: Params, score: float, source: str, *, stopped_at: int | None = None) -> bool:
        return False

    def tell(self, params: Params, score: float | None, *, stopped_at: int | None = None) -> None:
        pass


def distinct_points(space: dict[str, Any]) -> int | None:
    """How many configs a space holds; None where it is not finite."""
    _, searched = split_space(space)
    if not all(distribution.finite for distribution in searched.values()):
        return None
    return prod(len(distribution.points()) for distribution in searched.values())


def _combinations(space: dict[str, Any]) -> Iterator[Params]:
    constants, searched = split_space(space)
    for values in itertools.product(*(distribution.points() for distribution in searched.values())):
        yield constants | dict(zip(searched, values, strict=True))
