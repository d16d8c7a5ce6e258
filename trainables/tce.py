"""The Ray Tune Trainable of tamed cross entropy."""

from __future__ import annotations

from trainables.base import LossTrainable


class TCE(LossTrainable):
    """Trains with tamed cross entropy; hyperparameters in `trainables.losses.families`."""

    family = "tce"
