"""The Ray Tune Trainable of focal loss."""

from __future__ import annotations

from trainables.base import LossTrainable


class Focal(LossTrainable):
    """Trains with focal loss; hyperparameters in `trainables.losses.families`."""

    family = "focal"
