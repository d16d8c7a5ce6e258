"""What an argument or a hyperparameter may be, and the sentence that refuses any other value.

Each kind has a `default`, a `range` in words, a `meaning` and `check(name, value)`, which raises ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainables.names import unknown_name
from trainables.real import Real

FAR = 2**60  # a bound that is none


@dataclass(frozen=True)
class Integer:
    """A whole number from `low` on in steps of `step`, up to `high` where there is one."""

    default: int
    low: int
    high: int | None = None
    meaning: str = ""
    step: int = 1

    @property
    def range(self) -> str:
        if self.low < -FAR:
            return "any whole number"
        return f"{self.low}, {self.low + self.step}, ..." + ("" if self.high is None else f", {self.high}")

    def check(self, name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{name} = {value!r} is not a whole number; wanted is {self.range}")
        if value < self.low or (self.high is not None and value > self.high) or (value - self.low) % self.step:
            raise ValueError(f"{name} = {value} is not one of {self.range}: {self.meaning}")


@dataclass(frozen=True)
class Choice:
    """One of a few names, or, where `number` says so, a number."""

    default: str
    names: tuple[str, ...]
    number: Real | None = None
    meaning: str = ""

    @property
    def range(self) -> str:
        return " | ".join([*self.names, *([self.number.range] if self.number else [])])

    def check(self, name: str, value: Any) -> None:
        if self.number is not None and not isinstance(value, str):
            self.number.check(name, value)
        elif value not in self.names:
            raise ValueError(unknown_name(name, value, self.names, "choices"))


@dataclass(frozen=True)
class Flag:
    """On or off."""

    default: bool
    meaning: str = ""

    @property
    def range(self) -> str:
        return "true | false"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise ValueError(f"{name} = {value!r} is neither true nor false")


Kind = Real | Integer | Choice | Flag
