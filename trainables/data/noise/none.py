"""No noise: every label stays. What every kind is at rate 0."""

from __future__ import annotations

import numpy as np

from trainables.data.noise.kind import NoiseKind, Part, Spec


def corrupt(part: Part, spec: Spec) -> np.ndarray:
    """The true labels, `[N]`."""
    return part.true_labels


NONE = NoiseKind(
    name="none",
    meaning="every label stays",
    formula="nothing",
    source="",
    corrupt=corrupt,
    rated=False,
    drawn=False,
)
