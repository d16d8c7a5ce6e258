"""Values of a study file that may be searched: a constant, or a set or interval to choose from."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from trainables.names import unknown_name

KINDS = ("grid", "uniform", "loguniform", "integer")


@dataclass(frozen=True)
class Distribution:
    """Where a searched value comes from; `kind` is one of KINDS, `values` its points or its two ends."""

    kind: str
    values: tuple[Any, ...]

    @property
    def finite(self) -> bool:
        """Whether its points can be listed."""
        return self.kind in ("grid", "integer")

    def points(self) -> Sequence[Any]:
        """Every point of a finite distribution, in order."""
        if self.kind == "integer":
            return range(self.values[0], self.values[1] + 1)
        return self.values

    def as_file(self) -> dict[str, list[Any]]:
        """As it is written in a study file."""
        return {self.kind: list(self.values)}


def parse_searchable(raw: Any) -> Any:
    """A constant as it is, a mapping such as `{uniform: [0, 1]}` as a Distribution; ValueError otherwise."""
    if isinstance(raw, list):
        raise ValueError(f"{json.dumps(raw)[:60]} is a list; to search its values write {{grid: [...]}}")
    if not isinstance(raw, dict) or "name" in raw:  # `{name: lda, tau: 0.5}` is a setting with options
        return raw
    if len(raw) != 1:
        raise ValueError(f"{json.dumps(raw)} is not one of {', '.join(KINDS)} with its values")
    kind, values = next(iter(raw.items()))
    if kind not in KINDS:
        raise ValueError(unknown_name("distribution", kind, KINDS, "distributions"))
    if not isinstance(values, list):
        raise ValueError(f"{kind}: {json.dumps(values)} is not a list of values")
    if kind == "grid":
        _check_grid(values)
    else:
        _check_interval(kind, values)
    return Distribution(kind, tuple(values))


def _check_grid(values: list[Any]) -> None:
    if not values:
        raise ValueError("the grid has no points; give at least one, as in {grid: [0.1, 0.2]}")
    if len({identity_of(value) for value in values}) < len(values):
        raise ValueError(f"grid {json.dumps(values)} names a point twice")
    for value in values:
        if not (isinstance(value, str | int | float | bool) or (isinstance(value, dict) and "name" in value)):
            raise ValueError(f"grid point {json.dumps(value)} is neither a number nor a name")


def _check_interval(kind: str, values: list[Any]) -> None:
    wanted = int if kind == "integer" else int | float
    if len(values) != 2 or not all(isinstance(v, wanted) and not isinstance(v, bool) for v in values):
        number = "whole numbers" if kind == "integer" else "numbers"
        raise ValueError(f"{kind}: {json.dumps(values)} is not two {number} [low, high]")
    low, high = values
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{kind}: [{low:g}, {high:g}] is empty; the first number must be below the second")
    if kind == "loguniform" and low <= 0:
        raise ValueError(f"loguniform: [{low:g}, {high:g}] reaches down to {low:g}; it must lie above 0")


def identity_of(value: Any) -> str:
    """A text that is the same for the same setting: 1 and 1.0, or options in another order."""
    return json.dumps(as_real(value), sort_keys=True)


def as_real(value: Any) -> Any:
    """A whole number as a real one, so that 1 and 1.0 are the same setting; anything else as it is."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def check_searchable(value: Any, check: Callable[[Any], None]) -> None:
    """Call `check`, which raises ValueError, on a constant or on every point or end of a distribution."""
    for each in values_of(value):
        check(each)


def points_of(value: Any) -> Sequence[Any]:
    """Every point of a finite distribution, or a constant as the only one."""
    return value.points() if isinstance(value, Distribution) else (value,)


def values_of(value: Any) -> Sequence[Any]:
    """What a study file writes of a value: a constant, or a distribution's points or two ends."""
    return value.values if isinstance(value, Distribution) else (value,)


def _to_file(value: Any) -> Any:
    return value.as_file() if isinstance(value, Distribution) else value


def _searchable(schema: dict[str, Any]) -> Any:
    pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    choices = [
        {"type": "object", "properties": {kind: shape}, "required": [kind], "additionalProperties": False}
        for kind, shape in [
            ("grid", {"type": "array", "minItems": 1}),
            ("uniform", pair),
            ("loguniform", pair),
            ("integer", pair),
        ]
    ]
    return WithJsonSchema({"anyOf": [schema, *choices]})


Searchable = Annotated[
    Any,
    PlainValidator(parse_searchable),
    PlainSerializer(_to_file),
    _searchable({"anyOf": [{"type": ["number", "string", "boolean"]}, {"type": "object", "required": ["name"]}]}),
]
