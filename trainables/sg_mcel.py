"""The Ray Tune Trainable of semi-generalized mixed cross entropy."""

from __future__ import annotations

from trainables.base import LossTrainable


class SGMCEL(LossTrainable):
    """Trains with semi-generalized mixed cross entropy; hyperparameters in `trainables.losses.families`."""

    family = "sg_mcel"
