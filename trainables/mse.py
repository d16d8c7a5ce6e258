"""The Ray Tune Trainable of the squared error of the probabilities."""

from __future__ import annotations

from trainables.base import LossTrainable


class MSE(LossTrainable):
    """Trains with the squared error of the probabilities; hyperparameters in `trainables.losses.families`."""

    family = "mse"
