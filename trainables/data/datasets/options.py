"""What may be said of a data set beside its name: kinds of options, and those that all of them have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One option: its meaning in a few words, and the value where it is left out."""

    meaning: str
    default: Any = None

    def settle(self, name: str, value: Any) -> Any:
        """`value` in its one spelling; ValueError where it is none."""
        raise NotImplementedError


@dataclass(frozen=True)
class Whole(Option):
    """A whole number, from `low` on."""

    low: int = 1

    def settle(self, name: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or value < self.low:
            raise ValueError(f"{name} = {value!r} is not a whole number of at least {self.low}")
        return value


@dataclass(frozen=True)
class OneOf(Option):
    """One of a few whole numbers."""

    values: tuple[int, ...] = ()

    def settle(self, name: str, value: Any) -> Any:
        if isinstance(value, bool) or value not in self.values:
            raise ValueError(f"{name} = {value!r} is not one of {', '.join(map(str, self.values))}")
        return value


@dataclass(frozen=True)
class YesNo(Option):
    """true or false."""

    def settle(self, name: str, value: Any) -> Any:
        if not isinstance(value, bool):
            raise ValueError(f"{name} = {value!r} is neither true nor false")
        return value


@dataclass(frozen=True)
class ClassNames(Option):
    """A list of class names; a number stands for its name."""

    def settle(self, name: str, value: Any) -> Any:
        values = value if isinstance(value, list | tuple) else [value]
        if not values or any(isinstance(each, bool) or not isinstance(each, str | int) for each in values):
            raise ValueError(f"{name} = {value!r} is not a list of class names")
        return [str(each) for each in values]


SHARED: dict[str, Option] = {
    "limit": Whole("that many images of the pool, a stratified draw that is always the same"),
    "classes": ClassNames("these classes alone"),
    "leave_out": ClassNames("all classes but these"),
}
