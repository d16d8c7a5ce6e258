"""Things that a study file names, with options: `mirror`, or `{name: shift, pixels: 2}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from trainables.names import unknown_name
from trainables.real import Real


class Option(Protocol):
    """What one option may be: `parse` gives a value its one spelling, ValueError for what is none."""

    @property
    def default(self) -> Any: ...

    @property
    def range(self) -> str: ...

    @property
    def meaning(self) -> str: ...

    def parse(self, name: str, value: Any) -> Any: ...


@dataclass(frozen=True)
class Described:
    """A thing as a study file may name it: its class in the code, a word on it, and its options."""

    class_name: str
    meaning: str
    options: Mapping[str, Option]


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` on; where there is no `default` it may be left out."""

    default: int | None
    low: int
    meaning: str = ""

    @property
    def range(self) -> str:
        return f"{self.low}, {self.low + 1}, ..."

    def parse(self, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < self.low:
            raise ValueError(f"{name} = {value!r} is not a whole number of at least {self.low}")
        return value


@dataclass(frozen=True)
class Span:
    """Two numbers, the lower first, each of which `bounds` allows."""

    default: tuple[float, float]
    bounds: Real
    meaning: str = ""

    @property
    def range(self) -> str:
        return f"[low, high] in {self.bounds.range}"

    def parse(self, name: str, value: Any) -> list[float]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ValueError(f"{name} = {value!r} is not a pair of numbers, as in {list(self.default)}")
        for each in value:
            self.bounds.check(name, each)
        if value[0] > value[1]:
            raise ValueError(f"{name} = {list(value)!r}: the lower number stands first")
        return [float(each) for each in value]


def complete(kind: str, plural: str, known: Mapping[str, Described], value: Any) -> dict[str, Any]:
    """`value`, a name or a mapping of name and options, with every option in it, so that one setting has one spelling.

    Raises ValueError, in words of `kind` and `plural`, for an unknown name or option and for a value out of range.
    """
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or "name" not in value:
        raise ValueError(f"{value!r} is no {kind}; give a name, or a name with options as in {{name: ..., ...}}")
    given = dict(value)
    name = given.pop("name")
    if name not in known:
        raise ValueError(unknown_name(kind, name, known, plural))
    options = known[name].options
    for option in given:
        if option not in options:
            raise ValueError(unknown_name("option", option, options, f"{kind} '{name}' has"))
    return {"name": name} | {
        option: described.parse(f"{name}.{option}", given.get(option, described.default))
        for option, described in options.items()
    }
