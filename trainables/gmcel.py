"""The Ray Tune Trainable of generalized mixed cross entropy."""

from __future__ import annotations

from trainables.base import LossTrainable


class GMCEL(LossTrainable):
    """Trains with generalized mixed cross entropy; hyperparameters in `trainables.losses.families`."""

    family = "gmcel"
