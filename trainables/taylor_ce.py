"""The Ray Tune Trainable of Taylor cross entropy."""

from __future__ import annotations

from trainables.base import LossTrainable


class TaylorCE(LossTrainable):
    """Trains with Taylor cross entropy; hyperparameters in `trainables.losses.families`."""

    family = "taylor_ce"
