"""The Ray Tune Trainable of bootstrapping."""

from __future__ import annotations

from trainables.base import LossTrainable


class Bootstrap(LossTrainable):
    """Trains with bootstrapping; hyperparameters in `trainables.losses.families`."""

    family = "bootstrap"
