"""A share of the labels replaced by a draw over all classes."""

from __future__ import annotations

import numpy as np

from trainables.data.noise.kind import NoiseKind, Part, Spec


def corrupt(part: Part, spec: Spec) -> np.ndarray:
    """Exactly `round(rate N)` labels replaced, each by a uniform draw over all classes, `[N]`.

    A draw may hit the true class, so about `rate * (1 - 1/C)` of the labels really change (Martinez and
    Stiefelhagen, section 4). Masks of one seed are nested over rates.
    """
    labels = part.true_labels
    generator = part.generator(spec["seed"])
    replaced = generator.permutation(len(labels))[: round(spec["rate"] * len(labels))]
    draws = generator.integers(0, part.num_classes, size=len(labels))
    labels[replaced] = draws[replaced]
    return labels


UNIFORM = NoiseKind(
    name="uniform",
    meaning="a share of the labels is replaced by a draw over all classes, the true one among them",
    formula="T = (1 - rate) I + rate / C",
    source="Martinez and Stiefelhagen, section 4",
    corrupt=corrupt,
)
