"""Classes in an order: the nearer, the more alike."""

from __future__ import annotations

import numpy as np


def order_likeness(num_classes: int, r: float) -> np.ndarray:
    """S_ij = r^|i-j|, `[C, C]`, r in [0, 1): neighbours have likeness r. r = 0 is the identity, where SimLoss is cross
    entropy and no target can be made. Kobs et al., SimLoss, 2020.
    """
    classes = np.arange(num_classes)
    return np.power(float(r), np.abs(classes[:, None] - classes))
