"""The Ray Tune Trainable of early-learning regularisation."""

from __future__ import annotations

from trainables.base import LossTrainable


class ELR(LossTrainable):
    """Trains with early-learning regularisation; hyperparameters in `trainables.losses.families`."""

    family = "elr"
