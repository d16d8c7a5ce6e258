"""Early stopping: one bracket per cell, over configs, on their screening repeat. One file each; `make_pruner` picks.

A pruner is asked at decision epochs whether a trial goes on. It never sees repeats of one config, nor other cells.
"""

from __future__ import annotations

from typing import Protocol

from study.spec import AshaSpec, StudySpec


class Pruner(Protocol):
    """Judges the screening trials of one cell."""

    def decisions(self) -> list[int]:
        """The epochs at which it wants to be asked."""

    def goes_on(self, trial_key: str, epoch: int, score: float) -> bool:
        """Whether the trial that has `score` (more is better) after `epoch` epochs should go on."""


def make_pruner(spec: StudySpec, num_configs: int, epochs: int) -> Pruner:
    """The pruner that the study file names, for a cell of `num_configs` configs that train for at most `epochs`.

    A lone config is never stopped.
    """
    if isinstance(spec.scheduler, AshaSpec) and num_configs > 1:
        from study.schedule.asha import AshaPruner

        return AshaPruner(spec.scheduler.grace_epochs, spec.scheduler.reduction, epochs)
    from study.schedule.none import NoPruner

    return NoPruner()
