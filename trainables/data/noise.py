"""Label noise, drawn from a seed of its own."""

from __future__ import annotations

import numpy as np


def uniform_noise(labels: np.ndarray, rate: float, num_classes: int, seed: int) -> np.ndarray:
    """`labels` with a share `rate` replaced by a uniform draw over all classes.

    A draw may hit the true class, so about `rate * (1 - 1/C)` of the labels really change (Martinez and
    Stiefelhagen, section 4). Masks of one seed are nested: what is replaced at 0.2 is replaced alike at 0.4.
    Raises ValueError for a rate outside [0, 1].
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"noise rate {rate:g} is outside [0, 1]")
    generator = np.random.default_rng(seed)
    replaced = generator.permutation(len(labels))[: round(rate * len(labels))]
    draws = generator.integers(0, num_classes, size=len(labels))
    noisy = labels.copy()
    noisy[replaced] = draws[replaced]
    return noisy


NOISES = {"uniform": uniform_noise}
