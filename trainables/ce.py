"""The Ray Tune Trainable of cross entropy."""

from __future__ import annotations

from trainables.base import LossTrainable


class CE(LossTrainable):
    """Trains with cross entropy; hyperparameters in `trainables.losses.families`."""

    family = "ce"
