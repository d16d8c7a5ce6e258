"""The Ray Tune Trainable of symmetric cross entropy."""

from __future__ import annotations

from trainables.base import LossTrainable


class SCE(LossTrainable):
    """Trains with symmetric cross entropy; hyperparameters in `trainables.losses.families`."""

    family = "sce"
