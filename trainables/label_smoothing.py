"""The Ray Tune Trainable of label smoothing."""

from __future__ import annotations

from trainables.base import LossTrainable


class LabelSmoothing(LossTrainable):
    """Trains with label smoothing; hyperparameters in `trainables.losses.families`."""

    family = "label_smoothing"
