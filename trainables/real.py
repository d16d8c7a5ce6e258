"""A real number in an interval: what a hyperparameter of a loss or an option of a similarity may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Real:
    """A number in an interval."""

    default: float
    low: float = -math.inf
    high: float = math.inf
    high_open: bool = False
    low_open: bool = False
    meaning: str = ""

    @property
    def range(self) -> str:
        low = f"{'(' if self.low_open else '['}{self.low:g}" if math.isfinite(self.low) else "(-inf"
        high = f"{self.high:g}{')' if self.high_open else ']'}" if math.isfinite(self.high) else "inf)"
        return f"{low}, {high}"

    def holds(self, value: float) -> bool:
        """Whether `value` lies in the interval."""
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below and math.isfinite(value)

    def check(self, name: str, value: Any) -> None:
        """Refuse what is no number in the interval with ValueError."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} = {value!r} is not a number; it lies in {self.range}")
        if not self.holds(value):
            raise ValueError(f"{name} = {value:g} is outside {self.range}: {self.meaning}")
