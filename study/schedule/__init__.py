"""Early stopping, over configs, on their screening repeat. One file each; `make_pruner` picks.

A pruner is asked at decision epochs whether a trial goes on. It never sees repeats of one config, nor, unless the
study says so, other cells.
"""

from __future__ import annotations

from typing import Protocol

from study.spec import AshaSpec, MedianSpec, StudySpec


class Pruner(Protocol):
    """Judges the screening trials of one cell, or of all that are compared with one another."""

    def decisions(self) -> list[int]:
        """The epochs at which it wants to be asked."""

    def goes_on(self, trial_key: str, epoch: int, score: float) -> bool:
        """Whether the trial that has `score` (more is better) after `epoch` epochs should go on."""


def make_pruner(spec: StudySpec, num_configs: int, epochs: int) -> Pruner:
    """The pruner that the study file names, for `num_configs` configs that train for at most `epochs`.

    A lone config is never stopped.
    """
    scheduler = spec.scheduler
    if isinstance(scheduler, AshaSpec) and num_configs > 1:
        from study.schedule.asha import AshaPruner

        return AshaPruner(scheduler.grace_epochs, scheduler.reduction, epochs)
    if isinstance(scheduler, MedianSpec) and num_configs > 1:
        from study.schedule.median import MedianPruner

        return MedianPruner(scheduler.grace_epochs, scheduler.every, scheduler.min_configs, epochs)
    from study.schedule.none import NoPruner

    return NoPruner()
