"""The Ray Tune Trainable of forward correction."""

from __future__ import annotations

from trainables.base import LossTrainable


class Forward(LossTrainable):
    """Trains with forward correction; hyperparameters in `trainables.losses.families`."""

    family = "forward"
