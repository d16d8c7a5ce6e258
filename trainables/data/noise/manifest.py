"""What noise did to a task: asked for, realised, and by which labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainables.data.noise.catalogue import NOISES
from trainables.data.noise.kind import Part, Spec
from trainables.data.noise.transition import transition_matrix
from trainables.data.store import content_hash
from trainables.similarity import identity

DECIMALS = 6  # of a share


def manifest(spec: Spec, noisy: np.ndarray, parts: list[Part]) -> dict[str, Any]:
    """The record of a task's noise, plain values: `kind`, `requested_rate`, `options`, `seed`, for each part its
    number of `labels`, how many are `corrupted` and the `realised_rate`; the `transition` of the first part `[C, C]`
    (row true class, column label), `class_names`, and the `digest` of all labels.

    `noisy` `[P]` are the labels of the whole pool. A kind may add to it, as `pair` does its `pairs`.
    """
    options = {name: value for name, value in identity(spec).items() if name not in ("kind", "rate", "seed")}
    training = parts[0]
    transition = transition_matrix(training.true_labels, noisy[training.index], training.num_classes)
    return {
        "kind": spec["kind"],
        "requested_rate": spec.get("rate"),
        "options": options,
        "seed": spec.get("seed"),
        **{part.name: _counted(part.true_labels, noisy[part.index]) for part in parts},
        "digest": content_hash(noisy),
        **NOISES[spec["kind"]].facts(spec, training.class_names),
        "class_names": list(training.class_names),
        "transition": np.round(transition, DECIMALS).tolist(),
    }


def _counted(true: np.ndarray, noisy: np.ndarray) -> dict[str, Any]:
    corrupted = int((true != noisy).sum())
    return {"labels": len(true), "corrupted": corrupted, "realised_rate": corrupted / len(true)}
