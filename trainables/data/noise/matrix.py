"""Labels that follow a given transition matrix."""

from __future__ import annotations

import numpy as np

from trainables.data.noise.kind import Names, NoiseKind, Part, Spec, pinned, planned_file
from trainables.data.noise.options import InlineMatrix
from trainables.data.noise.transition import apportioned, checked_transition
from trainables.similarity.file import read_numbers
from trainables.similarity.options import Digest, File


def settle(spec: Spec, dataset: str, class_names: Names) -> Spec:
    """`spec` with the digest of its file; ValueError where it has neither matrix nor path, or both."""
    if ("matrix" in spec) == ("path" in spec):
        raise ValueError("noise 'matrix' needs either matrix, a list of rows, or path, a CSV or NPY file")
    return pinned(spec)


def corrupt(part: Part, spec: Spec) -> np.ndarray:
    """Labels in which class i carries label j as often as T[i, j] says, to less than one label, `[N]`.

    Of the n labels of class i, T[i, j] n become j, rounded so that each is off by less than 1 and the row adds up
    (largest remainders). Which ones is drawn.
    """
    where = str(spec.get("path", "matrix"))
    matrix = checked_transition(spec["matrix"] if "matrix" in spec else read_numbers(planned_file(spec)), where)
    if len(matrix) != part.num_classes:
        raise ValueError(f"{where} is for {len(matrix)} classes; the data set has {part.num_classes}")
    labels = part.true_labels
    for row, members in zip(matrix, part.by_class(part.generator(spec["seed"]).permutation(len(labels))), strict=True):
        labels[members] = np.repeat(np.arange(len(row)), apportioned(row, len(members)))
    return labels


MATRIX = NoiseKind(
    name="matrix",
    meaning="labels follow a given transition matrix",
    formula="the matrix T[i, j] = p(label j | class i)",
    source="the user's",
    corrupt=corrupt,
    options={
        "matrix": InlineMatrix("T, a list of rows"),
        "path": File("T as CSV or NPY", required=False),
        "digest": Digest(),
    },
    rated=False,
    settle=settle,
)
