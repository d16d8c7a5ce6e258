"""Proposers: where the configs of a cell come from. One file each; `make_proposer` picks.

A proposer is asked for config 0, 1, 2, ... of one cell, and told how they did. Asking is deterministic: the same
space, seed and results give the same configs, so that a study launched again finds its own. Names of the study file:
`grid`, `random`, `quasi_random`, `tpe`, `gp`, `cma_es`. The last three learn, and keep what they know in the study's
folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from study.records.paths import StudyPaths
from study.search.record import Part, Record
from study.spec import SearchSpec
from study.spec.spaces import Distribution

Params = dict[str, Any]


class Proposer(Protocol):
    """Proposes the configs of one cell."""

    @property
    def size(self) -> int:
        """How many configs there will be at the most."""

    @property
    def foreseeable(self) -> bool:
        """Whether the configs do not depend on results, so that all may be asked for at once."""

    def ask(self) -> Params | None:
        """The next config; None when there are no more."""

    def recall(self, params: Params) -> bool:
        """A config of an earlier launch: whether it is proposed once more, as it is where configs depend on results."""

    def learn(self, params: Params, score: float, source: str, *, stopped_at: int | None = None) -> bool:
        """Take in a result of the study `source`, once; whether it could, as those can that learn and hold its config.

        `stopped_at` is the epoch at which it was stopped early, if it was.
        """

    def tell(self, params: Params, score: float | None, *, stopped_at: int | None = None) -> None:
        """How a config did (more is better), stopped early at an epoch or not; None where it failed or diverged."""


def make_record(search: SearchSpec, folder: Path) -> Record | None:
    """What the proposers of the study in `folder` know from earlier launches, where they learn."""
    return Record(StudyPaths(folder).search) if search.learns else None


def make_proposer(search: SearchSpec, space: dict[str, Any], seed: int, part: Part | None = None) -> Proposer:
    """The proposer that the study file names, for one cell's space, with its part of the study's record."""
    from study.search.grid import GridProposer, distinct_points

    points, size = distinct_points(space), search.most_configs
    if search.name == "grid" or (points is not None and points <= (size or 0)):
        return GridProposer(space, size)  # sampling a set no larger than the sample is listing it
    assert size is not None, "spec requires configs or epochs for everything but a grid"
    if search.name == "random":
        from study.search.random import RandomProposer

        return RandomProposer(space, size, seed)
    from study.search.sampler import SamplerProposer

    return SamplerProposer(search.name, space, size, seed, part)


def split_space(space: dict[str, Any]) -> tuple[Params, dict[str, Distribution]]:
    """Constants and distributions of a space."""
    searched = {key: value for key, value in space.items() if isinstance(value, Distribution)}
    return {key: value for key, value in space.items() if key not in searched}, searched
