"""From how alike classes are to the distribution that a mixed target draws on."""

from __future__ import annotations

import numpy as np

from trainables.similarity.contracts import Names, called

SINKHORN_STEPS = 10_000
SINKHORN_TOLERANCE = 1e-12
REMEDY = "make its likeness to some class positive"


def target_of_likeness(
    likeness: np.ndarray,
    *,
    sharpness: str = "linear",
    tau: float = 1.0,
    delta: float = 0.1,
    symmetric: bool = False,
    class_names: Names = None,
) -> np.ndarray:
    """A_ij = s_ij / sum_{k != i} s_ik off the diagonal and 0 on it, `[C, C]`, of a likeness S `[C, C]`.

    With d = 1 - S, `sharpness` names s:

    - `linear`: max(0, S), the likeness itself with what is negative taken for no likeness;
    - `logistic`: 1 / (1 + exp d), in [.12, .5] for cosines, so that A is close to uniform.
      Negi, Chen and Mahoor, eq. 12, with s_ii left out of the sum so that rows sum to 1;
    - `exp`: exp(-d / tau); uniform as tau grows, the nearest class alone as it goes to 0 (ours);
    - `inverse`: 1 / (d + delta); uniform as delta grows (ours);
    - `softmax`: softmax of S / tau over the others; the same matrix as `exp`, by the name it goes by elsewhere (ours).

    Rows are normalised one by one, so A is not symmetric, which the paper says it is: `symmetric` scales rows and
    columns alike until all sum to 1 (Sinkhorn). At C = 3 that is uniform whatever S.

    Raises ValueError for a class like no other: where its share of the target would go is for the user to say, a
    uniform row in its place would be a choice nobody sees.
    """
    distance = 1 - likeness
    np.fill_diagonal(distance, np.inf)
    if sharpness == "linear":
        kernel = np.where(np.isinf(distance), 0, np.maximum(likeness, 0))
    elif sharpness == "logistic":
        kernel = 1 / (1 + np.exp(distance))
    elif sharpness == "inverse":
        kernel = 1 / (distance + delta)
    else:
        nearest = distance.min(axis=1)  # cancels when rows are normalised; without it a small tau underflows
        offset = (nearest + nearest[:, None]) / 2 if symmetric else nearest[:, None]
        kernel = np.exp((offset - distance) / tau)
    return balanced(kernel, class_names) if symmetric else normalised_rows(kernel, class_names)


def normalised_rows(kernel: np.ndarray, class_names: Names = None, remedy: str = REMEDY) -> np.ndarray:
    """Each row over its sum; ValueError, with `remedy` as the next step, for a row of zeros."""
    sums = kernel.sum(axis=1, keepdims=True)
    empty = np.flatnonzero(sums == 0)
    if len(empty):
        raise ValueError(
            f"class {called(int(empty[0]), class_names)} is like no other: "
            f"its row is zero and cannot sum to 1; {remedy}"
        )
    return np.asarray(kernel / sums)


def balanced(kernel: np.ndarray, class_names: Names = None) -> np.ndarray:
    """diag(s) K diag(s) with rows and columns that sum to 1, for a symmetric K >= 0. Sinkhorn and Knopp, 1967.

    Raises ValueError where there is none, as for three classes of which two are like the third alone.
    """
    normalised_rows(kernel, class_names)  # refuses a row of zeros
    for _ in range(SINKHORN_STEPS):
        sums = kernel.sum(axis=1)
        if np.abs(sums - 1).max() < SINKHORN_TOLERANCE:
            return kernel
        kernel = kernel / np.sqrt(np.outer(sums, sums))
    worst = int(np.abs(sums - 1).argmax())
    raise ValueError(
        f"no symmetric similarity with these likenesses was found: row {called(worst, class_names)} still sums to "
        f"{sums[worst]:.6g}; leave `symmetric` out"
    )
