"""The Ray Tune Trainable of SimLoss."""

from __future__ import annotations

from trainables.base import LossTrainable


class SimLoss(LossTrainable):
    """Trains with SimLoss; hyperparameters in `trainables.losses.families`."""

    family = "simloss"
