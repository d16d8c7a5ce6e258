"""The Ray Tune Trainable of infogain loss."""

from __future__ import annotations

from trainables.base import LossTrainable


class Infogain(LossTrainable):
    """Trains with infogain loss; hyperparameters in `trainables.losses.families`."""

    family = "infogain"
