"""The Ray Tune Trainable of generalized cross entropy."""

from __future__ import annotations

from trainables.base import LossTrainable


class GCE(LossTrainable):
    """Trains with generalized cross entropy; hyperparameters in `trainables.losses.families`."""

    family = "gce"
