"""The Ray Tune Trainable of the Jensen-Shannon divergence."""

from __future__ import annotations

from trainables.base import LossTrainable


class JS(LossTrainable):
    """Trains with the Jensen-Shannon divergence; hyperparameters in `trainables.losses.families`."""

    family = "js"
