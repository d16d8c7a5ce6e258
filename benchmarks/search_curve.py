"""Best score so far against cost: what a search had found when it had spent so much."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOAL_POINTS, GOAL_SHARE = 0.5, 0.25  # below the grid's best, and of the grid's cost
POINTS = 100  # scores are shares, and told in hundredths


@dataclass(frozen=True)
class Epoch:
    """One epoch of one config: when it ended, what it cost, what the config then had."""

    time: float
    cost: float
    score: float
    config: str


@dataclass(frozen=True)
class Curve:
    """`best[i]` is the best score of a search once it had spent `cost[i]`, `config[i]` whose it is.

    Where the best changed, and at the end.
    """

    cost: list[float]
    best: list[float]
    config: list[str]

    def reaches(self, score: float) -> float:
        """What it cost to have as much; infinity where it never had."""
        return next((cost for cost, best in zip(self.cost, self.best, strict=True) if best >= score), math.inf)


def curve_of(epochs: Iterable[Epoch]) -> Curve:
    """Epochs in the order of their ends; each is paid for when it has ended."""
    ordered = sorted(epochs, key=lambda epoch: epoch.time)
    costs = list(itertools.accumulate(epoch.cost for epoch in ordered))
    leaders = list(itertools.accumulate(ordered, lambda a, b: b if b.score > a.score else a))
    last = len(ordered) - 1
    kept = [i for i, leader in enumerate(leaders) if i in (0, last) or leader is not leaders[i - 1]]
    return Curve([costs[i] for i in kept], [leaders[i].score for i in kept], [leaders[i].config for i in kept])


def goal_lines(axes: Any, height: float, cost: float) -> None:
    """The corner that a search has to reach: `height` for a quarter of the grid's `cost`."""
    from study.report.look import INK

    axes.axhline(height, color=INK, linewidth=0.6, linestyle=(0, (1, 1.2)))
    axes.axvline(GOAL_SHARE * cost, color=INK, linewidth=0.6, linestyle=(0, (1, 1.2)))


def save_figure(figure: Any, path: Path) -> None:
    """The same figure is the same file."""
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=200)
