"""Holding images out for validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainables.data.datasets import Images


def stratified_holdout(
    labels: np.ndarray, holdout: float, seed: int, class_names: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted indices `(train, validation)`; `holdout` images are held out, or that share of them where it is below 1.

    Every class gives the same share; a holdout of 0 holds nothing out. Raises ValueError where a class would be left
    without an image on either side; it says which by `class_names`, or by number without them.
    """
    from sklearn.model_selection import train_test_split

    everything = np.arange(len(labels))
    if holdout == 0:
        return everything, everything[:0]
    present, counts = np.unique(labels, return_counts=True)
    held_out = int(holdout) if holdout >= 1 else round(holdout * len(labels))
    if held_out < len(present) or len(labels) - held_out < len(present):
        raise ValueError(
            f"holdout {holdout:g} of {len(labels)} images leaves a side with fewer than one image "
            f"for each of {len(present)} classes"
        )
    if counts.min() < 2:
        alone = _named(present[[counts.argmin()]], class_names)
        raise ValueError(f"class {alone} has one image, which cannot be on both sides; leave it out")
    train, val = train_test_split(everything, test_size=held_out, stratify=labels, random_state=seed % 2**32)
    for side, part in (("training", train), ("validation", val)):  # enough images for all may still miss a rare class
        if len(missing := np.setdiff1d(present, labels[part])):
            named = ("class " if len(missing) == 1 else "classes ") + _named(missing, class_names)
            raise ValueError(f"holdout {holdout:g} leaves {named} without an image for {side}; 0.2 is usual")
    return np.sort(train), np.sort(val)


def _named(labels: np.ndarray, class_names: Sequence[str] | None) -> str:
    return ", ".join(str(label) if class_names is None else f"'{class_names[label]}'" for label in labels.tolist())


def split_of(pool: Images, holdout: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted indices `(train, validation)` of a pool: the source's own where it has a validation part, else ours.

    A holdout of 0 trains on all of it.
    """
    if pool.val_index is None or holdout == 0:
        return stratified_holdout(np.asarray(pool.labels), holdout, seed, pool.class_names)
    val = np.asarray(pool.val_index)
    return np.setdiff1d(np.arange(len(pool.labels)), val), val
