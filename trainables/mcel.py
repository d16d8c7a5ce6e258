"""The Ray Tune Trainable of mixed cross entropy."""

from __future__ import annotations

from trainables.base import LossTrainable


class MCEL(LossTrainable):
    """Trains with mixed cross entropy; hyperparameters in `trainables.losses.families`."""

    family = "mcel"
