"""Holding images out for validation."""

from __future__ import annotations

import numpy as np


def stratified_holdout(labels: np.ndarray, holdout: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted indices `(train, validation)`; `holdout` is the share held out, alike in every class.

    A holdout of 0 holds nothing out. Raises ValueError where a class would be left without an image on either side.
    """
    from sklearn.model_selection import train_test_split

    everything = np.arange(len(labels))
    if holdout == 0:
        return everything, everything[:0]
    classes = len(np.unique(labels))
    held_out = round(holdout * len(labels))
    if held_out < classes or len(labels) - held_out < classes:
        raise ValueError(
            f"holdout {holdout:g} of {len(labels)} images leaves a side with fewer than one image "
            f"for each of {classes} classes"
        )
    train, val = train_test_split(everything, test_size=held_out, stratify=labels, random_state=seed % 2**32)
    for side, part in (("training", train), ("validation", val)):  # enough images for all may still miss a rare class
        if missing := sorted(set(labels.tolist()) - set(labels[part].tolist())):
            raise ValueError(f"holdout {holdout:g} leaves classes {missing} without an image for {side}; 0.2 is usual")
    return np.sort(train), np.sort(val)
