"""Configs as points: what was searched, and how they did in their screening repeat and over all repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from study.planning.agenda import SCREENING
from study.records import states
from study.report.gather import Material
from study.report.words import value_text
from study.results.selection import CellResult
from study.spec.spaces import identity_of

LOG_FROM = 5  # the ratio of highest to lowest from which an axis is logarithmic


@dataclass(frozen=True)
class Point:
    """A config. `screened` is its score on the screening repeat, where that came to its end; `stopped` what it had
    reached where a scheduler stopped it. `scores` are of all its completed repeats.
    """

    number: int
    values: dict[str, Any]
    screened: float | None
    stopped: float | None
    diverged: bool
    scores: tuple[float, ...]

    @property
    def reached(self) -> float | None:
        """Its score on the screening repeat, at the end or where a scheduler stopped it."""
        return self.screened if self.screened is not None else self.stopped


@dataclass(frozen=True)
class Axis:
    """Where values of a hyperparameter lie on an axis. `ticks` are places with their words, for names."""

    name: str
    log: bool
    ticks: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0

    def place(self, value: Any) -> float:
        """A value's place: itself, or the number of its name."""
        return float(self.ticks.index(value_text(value))) if self.ticks else float(value)

    def share(self, value: Any) -> float:
        """A value's place between the lowest (0) and the highest (1)."""
        low, high, at = self.low, self.high, self.place(value)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return (at - low) / (high - low) if high > low else 0.5


def points_of(material: Material, cell: CellResult) -> list[Point]:
    """Every config of a cell that has ended its screening repeat, in its order."""
    found = []
    for config in sorted(cell.configs, key=lambda config: config.number):
        trial = next((t for t in material.by_config.get(config.key, []) if t.repeat == SCREENING), None)
        if trial is None or trial.state not in (states.COMPLETED, states.STOPPED_EARLY, states.DIVERGED):
            continue
        score = material.score(trial)
        found.append(
            Point(
                config.number,
                config.params,
                score if trial.state == states.COMPLETED else None,
                score if trial.state == states.STOPPED_EARLY else None,
                trial.state == states.DIVERGED or trial.key in cell.scoreless,
                config.scores,
            )
        )
    return found


def searched_keys(cell: CellResult, points: Sequence[Point]) -> list[str]:
    """The hyperparameters of a cell that were searched and of which at least two values ran."""
    keys = dict.fromkeys(key for point in points for key in point.values)
    wanted = [key for key in keys if key.rpartition(".")[2] in cell.facts.get("searched", ())]
    return [key for key in wanted if len({identity_of(p.values[key]) for p in points if key in p.values}) > 1]


def axis_of(key: str, points: Sequence[Point]) -> Axis:
    """The axis of a hyperparameter, over the configs that have it."""
    values = [point.values[key] for point in points if key in point.values]
    name = key.rpartition(".")[2]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        low, high = min(values), max(values)
        return Axis(name, log=low > 0 and high / low >= LOG_FROM, low=float(low), high=float(high))
    ticks = tuple(dict.fromkeys(value_text(value) for value in values))
    return Axis(name, log=False, ticks=ticks, high=float(len(ticks) - 1))
