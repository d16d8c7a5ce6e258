"""The Ray Tune Trainable of normalised cross entropy and absolute error."""

from __future__ import annotations

from trainables.base import LossTrainable


class NCEMAE(LossTrainable):
    """Trains with normalised cross entropy and absolute error; hyperparameters in `trainables.losses.families`."""

    family = "nce_mae"
