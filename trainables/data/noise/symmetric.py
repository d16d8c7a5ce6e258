"""A share of the labels replaced by a draw over the other classes."""

from __future__ import annotations

import numpy as np

from trainables.data.noise.kind import NoiseKind, Part, Spec


def corrupt(part: Part, spec: Spec) -> np.ndarray:
    """Exactly `round(rate N)` labels replaced, each by a uniform draw over the other classes, `[N]`: all really change.

    `rate` is `uniform`'s times (1 - 1/C). Masks of one seed are nested over rates.
    """
    labels = part.true_labels
    generator = part.generator(spec["seed"])
    replaced = generator.permutation(len(labels))[: round(spec["rate"] * len(labels))]
    steps = generator.integers(1, part.num_classes, size=len(labels))
    labels[replaced] = (labels[replaced] + steps[replaced]) % part.num_classes
    return labels


SYMMETRIC = NoiseKind(
    name="symmetric",
    meaning="a share of the labels is replaced by a draw over the other classes",
    formula="T = (1 - rate) I + rate / (C - 1) off the diagonal",
    source="Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017",
    corrupt=corrupt,
)
