"""How much classes resemble one another, measured on images: `[C, C]`, rows sum to 1, zero diagonal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def lda_similarity(images: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Similarity of the class means in the space of the linear discriminants.

    Images `[N, ...]` are centred by their per-pixel mean and projected on the first C - 1 discriminants; with v_i the
    mean of class i there, d_ij = 1 - cos(v_i, v_j), s_ij = 1 / (1 + exp d_ij) and A_ij = s_ij / sum_{k != i} s_ik,
    zero on the diagonal. Negi, Chen and Mahoor, eq. 12, with s_ii left out of the sum so that rows sum to 1.
    Constant pixels are dropped. Rows are normalised one by one, so A is not symmetric.
    Raises ValueError where a class has no image.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    present = np.unique(labels)
    if len(present) != num_classes:
        missing = sorted(set(range(num_classes)) - set(present.tolist()))
        raise ValueError(f"classes {missing} have no image: their similarity cannot be fitted")
    pixels = images.reshape(len(images), -1).astype(np.float64)
    pixels = pixels[:, np.ptp(pixels, axis=0) > 0]
    pixels -= pixels.mean(axis=0)
    projected = LinearDiscriminantAnalysis(solver="svd").fit(pixels, labels).transform(pixels)
    means = np.stack([projected[labels == c].mean(axis=0) for c in range(num_classes)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    likeness = 1 / (1 + np.exp(1 - means @ means.T))
    np.fill_diagonal(likeness, 0)
    return likeness / likeness.sum(axis=1, keepdims=True)


SIMILARITIES: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {"lda": lda_similarity}
