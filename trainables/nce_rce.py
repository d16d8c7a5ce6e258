"""The Ray Tune Trainable of normalised and reverse cross entropy."""

from __future__ import annotations

from trainables.base import LossTrainable


class NCERCE(LossTrainable):
    """Trains with normalised and reverse cross entropy; hyperparameters in `trainables.losses.families`."""

    family = "nce_rce"
