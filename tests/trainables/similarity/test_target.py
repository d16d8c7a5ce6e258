"""From likeness to target: every sharpness, symmetric or not, and the way back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from trainables.similarity.catalogue import SHARPNESSES
from trainables.similarity.contracts import check_target, likeness_of_target
from trainables.similarity.report import perplexity, row_perplexities
from trainables.similarity.target import balanced, target_of_likeness


def random_likeness(num_classes: int = 6, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(num_classes, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, 1)
    return likeness


def by_formula(likeness: np.ndarray, s: object) -> np.ndarray:
    """A_ij = s(d_ij) / sum over the others, entry by entry."""
    result = np.zeros_like(likeness)
    for i, j in itertools.permutations(range(len(likeness)), 2):
        others = [s(1 - likeness[i, k]) for k in range(len(likeness)) if k != i]
        result[i, j] = s(1 - likeness[i, j]) / sum(others)
    return result


@pytest.mark.parametrize(
    ("options", "s"),
    [
        ({"sharpness": "linear"}, lambda d: max(0, 1 - d)),
        ({"sharpness": "logistic"}, lambda d: 1 / (1 + np.exp(d))),
        ({"sharpness": "exp", "tau": 0.3}, lambda d: np.exp(-d / 0.3)),
        ({"sharpness": "inverse", "delta": 0.2}, lambda d: 1 / (d + 0.2)),
        ({"sharpness": "softmax", "tau": 0.3}, lambda d: np.exp((1 - d) / 0.3)),
    ],
)
def test_every_sharpness_is_its_formula(options: dict[str, object], s: object) -> None:
    likeness = random_likeness(seed=3)
    np.testing.assert_allclose(target_of_likeness(likeness, **options), by_formula(likeness, s), atol=1e-13)


def test_softmax_and_exp_are_one_matrix() -> None:
    likeness = random_likeness()
    for symmetric in (False, True):
        exp, softmax = (
            target_of_likeness(likeness, sharpness=s, tau=0.4, symmetric=symmetric) for s in ("exp", "softmax")
        )
        np.testing.assert_array_equal(exp, softmax)


@pytest.mark.parametrize("sharpness", SHARPNESSES)
def test_every_sharpness_makes_a_target_and_keeps_the_order_of_likeness(sharpness: str) -> None:
    likeness = abs(random_likeness())
    target = target_of_likeness(likeness, sharpness=sharpness, tau=0.5)
    check_target(target, 6)
    for row, likenesses in zip(target, likeness - 2 * np.eye(6), strict=True):
        assert (np.argsort(row) == np.argsort(likenesses)).all()


def test_sharper_settings_are_less_flat() -> None:
    likeness = random_likeness(10)
    for options in (
        [{"sharpness": "exp", "tau": tau} for tau in (1000, 1, 0.5, 0.1, 0.001)],
        [{"sharpness": "inverse", "delta": delta} for delta in (1000, 1, 0.1, 0.01)],
    ):
        flat = [perplexity(target_of_likeness(likeness, **each)).mean for each in options]
        assert flat == sorted(flat, reverse=True)
        assert flat[0] == pytest.approx(9, abs=1e-4)
    nearest = target_of_likeness(likeness, sharpness="exp", tau=1e-5)
    np.testing.assert_array_equal(nearest.argmax(axis=1), (likeness - 2 * np.eye(10)).argmax(axis=1))
    assert perplexity(nearest).max == pytest.approx(1)


@pytest.mark.parametrize("sharpness", SHARPNESSES)
def test_symmetric_target_has_rows_and_columns_that_sum_to_one(sharpness: str) -> None:
    target = target_of_likeness(abs(random_likeness(7)), sharpness=sharpness, tau=0.5, symmetric=True)
    check_target(target, 7)
    np.testing.assert_array_equal(target, target.T)
    np.testing.assert_allclose(target.sum(axis=0), 1, atol=1e-12)
    assert perplexity(target).min < 5.95


def test_rows_alone_are_not_symmetric() -> None:
    target = target_of_likeness(random_likeness(), sharpness="logistic")
    assert np.abs(target - target.T).max() > 0.005


def test_three_classes_are_symmetric_only_where_uniform() -> None:
    target = target_of_likeness(random_likeness(3), sharpness="exp", symmetric=True)
    np.testing.assert_allclose(target, (1 - np.eye(3)) / 2, atol=1e-12)


def test_symmetry_that_cannot_be_had_is_refused() -> None:
    star = np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]], dtype=float)
    with pytest.raises(ValueError, match="no symmetric similarity with these likenesses was found: row 0 still sums"):
        balanced(star)


@pytest.mark.parametrize("symmetric", [False, True])
def test_class_like_no_other_is_refused_by_name(symmetric: bool) -> None:
    likeness = np.array([[1, 0.5, -0.2], [0.5, 1, 0], [-0.2, 0, 1]])
    with pytest.raises(ValueError, match=r"class 2 \(fish\) is like no other: its row is zero"):
        target_of_likeness(likeness, symmetric=symmetric, class_names=["cat", "dog", "fish"])


def test_target_made_a_likeness_and_a_target_again_is_the_same() -> None:
    target = target_of_likeness(random_likeness(), sharpness="exp", tau=0.5)
    likeness = likeness_of_target(target)
    np.testing.assert_array_equal(np.diag(likeness), 1)
    np.testing.assert_allclose(target_of_likeness(likeness), target, atol=1e-15)


def test_perplexity_counts_the_classes_a_row_spreads_over() -> None:
    target = np.array([[0, 1, 0, 0], [0.5, 0, 0.5, 0], [1 / 3, 1 / 3, 0, 1 / 3], [0.5, 0.25, 0.25, 0]])
    np.testing.assert_allclose(row_perplexities(target), [1, 2, 3, 2**1.5], atol=1e-12)
    measured = perplexity(target)
    assert (measured.min, measured.max, measured.most) == (pytest.approx(1), pytest.approx(3), 3)
    assert str(measured) == "perplexity 2.21 of 3 (1 to 3)"
