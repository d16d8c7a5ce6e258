"""What a network takes a class for."""

from __future__ import annotations

import numpy as np

from trainables.similarity.contracts import Names
from trainables.similarity.target import normalised_rows


def confusion_counts(outputs: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """How often samples of class i are predicted as j, `[C, C]`, of outputs `[N, C]` (logits or probabilities).

    Raises ValueError for shapes that do not fit and labels outside [0, C).
    """
    if outputs.shape != (len(labels), num_classes):
        raise ValueError(
            f"outputs have shape {outputs.shape}; {len(labels)} labels need ({len(labels)}, {num_classes})"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(f"labels lie in [{labels.min()}, {labels.max()}]; they must lie in [0, {num_classes - 1}]")
    pairs = labels * num_classes + outputs.argmax(axis=1)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def confusion_target(counts: np.ndarray, num_classes: int, smoothing: float, class_names: Names = None) -> np.ndarray:
    """A_ij = (N_ij + k) / sum_{m != i} (N_im + k), zero diagonal, `[C, C]`, with k = `smoothing` >= 0.

    The mistakes of each class as a distribution; right predictions do not count. Uniform as k grows, and for a class
    without mistakes (where k = 0 is refused). Raises ValueError for counts of another shape, negative or not finite.
    """
    mistakes = np.array(counts, dtype=np.float64)
    if mistakes.shape != (num_classes, num_classes):
        raise ValueError(f"confusion has shape {mistakes.shape}; {num_classes} classes need [C, C]")
    if not np.isfinite(mistakes).all() or mistakes.min() < 0:
        raise ValueError("confusion has negative or non-finite entries; it counts samples")
    mistakes += smoothing
    np.fill_diagonal(mistakes, 0)
    return normalised_rows(mistakes, class_names, "set smoothing above 0, which makes it uniform")
