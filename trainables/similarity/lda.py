"""How alike classes look: cosines between their means in the space of the linear discriminants."""

from __future__ import annotations

import numpy as np

from trainables.similarity.discriminants import discriminant_means


def lda_likeness(images: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """cos(v_i, v_j), `[C, C]`, with v_i the mean of class i in the first C - 1 discriminants of images `[N, ...]`.

    Images are centred by their per-pixel mean, so a constant added to all pixels changes nothing; pixels that vary
    within no class are dropped. With two classes the cosine is -1. Negi, Chen and Mahoor, eq. 12, where
    d_ij = 1 - cos(v_i, v_j); `target_of_likeness` with `sharpness="logistic"` makes the paper's A of it.
    Raises ValueError where a class has no image, or lies at the mean of all of them and so in no direction.
    """
    if len(labels) != len(images):
        raise ValueError(f"there are {len(images)} images and {len(labels)} labels")
    present = np.unique(labels)
    if len(present) and not 0 <= present[0] <= present[-1] < num_classes:
        raise ValueError(
            f"labels lie in [{present[0]}, {present[-1]}]; {num_classes} classes need [0, {num_classes - 1}]"
        )
    if len(present) != num_classes:
        missing = sorted(set(range(num_classes)) - set(present.tolist()))
        raise ValueError(f"classes {missing} have no image: their similarity cannot be fitted")
    means = discriminant_means(images, labels, num_classes)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    nowhere = np.flatnonzero(lengths <= 1e-12 * lengths.max())
    if len(nowhere):
        raise ValueError(
            f"class {nowhere[0]} has the mean of all images, to rounding: it lies in no direction of LDA's"
        )
    means /= lengths
    likeness = np.clip(means @ means.T, -1, 1)
    np.fill_diagonal(likeness, 1)
    return likeness
