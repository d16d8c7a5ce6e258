"""The Ray Tune Trainable of the absolute error of the probabilities."""

from __future__ import annotations

from trainables.base import LossTrainable


class MAE(LossTrainable):
    """Trains with the absolute error of the probabilities; hyperparameters in `trainables.losses.families`."""

    family = "mae"
