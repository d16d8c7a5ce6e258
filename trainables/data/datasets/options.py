"""What may be said of a data set beside its name: kinds of options, and those that all of them have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainables.described import Option, Whole
from trainables.kinds import Flag


@dataclass(frozen=True)
class OneOf:
    """One of a few whole numbers."""

    default: int
    values: tuple[int, ...]
    meaning: str = ""

    @property
    def range(self) -> str:
        return " | ".join(map(str, self.values))

    def parse(self, name: str, value: Any) -> int:
        if isinstance(value, bool) or value not in self.values:
            raise ValueError(f"{name} = {value!r} is not one of {', '.join(map(str, self.values))}")
        return int(value)


@dataclass(frozen=True)
class YesNo(Flag):
    """true or false."""

    def parse(self, name: str, value: Any) -> bool:
        self.check(name, value)
        return bool(value)


@dataclass(frozen=True)
class ClassNames:
    """A list of class names; a number stands for its name."""

    meaning: str = ""
    default: None = None

    @property
    def range(self) -> str:
        return "a list of class names"

    def parse(self, name: str, value: Any) -> list[str]:
        values = value if isinstance(value, list | tuple) else [value]
        if not values or any(isinstance(each, bool) or not isinstance(each, str | int) for each in values):
            raise ValueError(f"{name} = {value!r} is not a list of class names")
        return [str(each) for each in values]


SHARED: dict[str, Option] = {
    "limit": Whole(None, 1, "that many images of the pool, a stratified draw that is always the same"),
    "classes": ClassNames("these classes alone"),
    "leave_out": ClassNames("all classes but these"),
}
