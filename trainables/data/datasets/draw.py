"""Stratified draws that are always the same: the fifth that becomes a test set, the cut that a study may ask for."""

from __future__ import annotations

import numpy as np


def stratified_draw(strata: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Sorted indices of `count` elements; every stratum gives its share, rounded to the largest remainder.

    `strata` are whole numbers `[N]`. Draws of one seed are nested up to that rounding.
    """
    kinds, sizes = np.unique(strata, return_counts=True)
    exact = count * sizes / len(strata)
    quotas = np.floor(exact).astype(int)
    quotas[np.argsort(quotas - exact, kind="stable")[: count - quotas.sum()]] += 1
    shuffled = np.random.default_rng(seed).permutation(len(strata))
    chosen = [shuffled[strata[shuffled] == kind][:quota] for kind, quota in zip(kinds, quotas, strict=True)]
    return np.sort(np.concatenate(chosen))


def part_of_one(labels: np.ndarray, part: str) -> np.ndarray:
    """Sorted indices of the pool or of the test set of images that came without one: a stratified fifth is the test."""
    test = stratified_draw(labels, round(len(labels) / 5), seed=5)
    return test if part == "test" else np.setdiff1d(np.arange(len(labels)), test)
