"""The Ray Tune Trainable of mixture separability loss."""

from __future__ import annotations

from trainables.base import LossTrainable


class MSL(LossTrainable):
    """Trains with mixture separability loss; hyperparameters in `trainables.losses.families`."""

    family = "msl"
