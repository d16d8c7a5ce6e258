"""What every noise with a rate promises: exact counts, nested masks, one seed one result, parts that share no draw."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.data.noise import transition_matrix
from trainables.data.store import content_hash

from .parts import RATED, RATES, corrupted, make_part

EXPECTED = {  # T[0, 1] and T[0, 0] at rate .4 of 10 classes, 0 and 1 not being a pair
    "uniform": (0.04, 0.64),
    "symmetric": (0.4 / 9, 0.6),
    "asymmetric": (0.4, 0.6),
}


def by_class(rate: float, labels: np.ndarray, classes: range) -> int:
    return sum(round(rate * int((labels == label).sum())) for label in classes)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("size", [500, 1437])
def test_the_number_of_labels_that_change_is_exact(rate: float, size: int) -> None:
    part = make_part(size, 10)
    changed = {kind: int((corrupted(kind, rate, part) != part.true_labels).sum()) for kind in RATED}
    assert changed["symmetric"] == changed["instance"] == round(rate * size)
    assert changed["pair"] == by_class(rate, part.labels, range(10))
    assert changed["asymmetric"] == by_class(rate, part.labels, range(9))


@pytest.mark.parametrize("rate", RATES)
def test_uniform_noise_replaces_exactly_its_share_of_labels(rate: float) -> None:
    replaced = np.zeros(1437, dtype=bool)
    for shift in range(10):  # a draw hits the true class of one of ten pools that differ everywhere, and of no other
        labels = (np.arange(1437) + shift) % 10
        replaced |= corrupted("uniform", rate, make_part(1437, 10, labels=labels)) != labels
    assert replaced.sum() == round(rate * 1437)


@pytest.mark.parametrize("num_classes", [2, 10, 100])
@pytest.mark.parametrize("rate", RATES[1:])
def test_uniform_noise_really_changes_about_rate_times_one_minus_one_over_c(rate: float, num_classes: int) -> None:
    part = make_part(20_000, num_classes)
    realised = (corrupted("uniform", rate, part, seed=1) != part.labels).mean()
    assert realised == pytest.approx(rate * (1 - 1 / num_classes), abs=0.012)  # four standard deviations or more


@pytest.mark.parametrize("kind", ["uniform", "symmetric"])
def test_the_classes_drawn_are_drawn_alike(kind: str) -> None:
    noisy = corrupted(kind, 1.0, make_part(50_000, 10, labels=np.zeros(50_000, int)), seed=2)
    counts = np.bincount(noisy, minlength=10)[0 if kind == "uniform" else 1 :]
    assert (np.abs(counts - 50_000 / len(counts)) < 350).all()  # five standard deviations


@pytest.mark.parametrize("kind", EXPECTED)
def test_the_transition_is_the_kinds_own(kind: str) -> None:
    part = make_part(50_000, 10)
    transition = transition_matrix(part.labels, corrupted(kind, 0.4, part, seed=3), 10)
    found = (transition[0, 1], transition[0, 0])
    assert found == pytest.approx(EXPECTED[kind], abs=0.03)  # four standard deviations of .5 / sqrt(5000)


@pytest.mark.parametrize("kind", RATED)
def test_masks_of_one_seed_are_nested(kind: str) -> None:
    part = make_part(1000, 10)
    for low, high in pairwise(RATES):
        small, large = corrupted(kind, low, part), corrupted(kind, high, part)
        changed = small != part.labels
        np.testing.assert_array_equal(small[changed], large[changed])


@pytest.mark.parametrize("kind", RATED)
def test_a_rate_of_zero_leaves_every_label_and_nothing_writes_into_the_pool(kind: str) -> None:
    part = make_part(500, 10)
    np.testing.assert_array_equal(corrupted(kind, 0.0, part), part.labels)
    before = part.labels.copy()
    corrupted(kind, 1.0, part)
    np.testing.assert_array_equal(part.labels, before)


@pytest.mark.parametrize("kind", RATED)
def test_the_seed_determines_the_labels(kind: str) -> None:
    part = make_part(500, 10)
    np.testing.assert_array_equal(corrupted(kind, 0.5, part, seed=4), corrupted(kind, 0.5, part, seed=4))
    assert (corrupted(kind, 0.5, part, seed=4) != corrupted(kind, 0.5, part, seed=5)).any()


@pytest.mark.parametrize("kind", RATED)
def test_training_and_validation_share_no_draw(kind: str) -> None:
    train, val = (corrupted(kind, 0.5, make_part(2000, 10, name=name)) for name in ("train", "val"))
    labels = make_part(2000, 10).labels
    both = ((train != labels) & (val != labels)).mean()
    assert both == pytest.approx((train != labels).mean() * (val != labels).mean(), abs=0.03)


PINNED = {
    "uniform": "f5d945f99e328a22",
    "symmetric": "b67928cdb0f79a8e",
    "pair": "06dd3ea46cf6622e",
    "asymmetric": "61dd2ca0263a361f",
    "instance": "9cae7d3439176e26",
}


@pytest.mark.parametrize("kind", RATED)
def test_labels_are_those_of_every_other_machine_and_version(kind: str) -> None:
    assert content_hash(corrupted(kind, 0.4, make_part(300, 10), seed=6)) == PINNED[kind]


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(RATED),
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=60),
    low=st.floats(0, 1),
    high=st.floats(0, 1),
    seed=st.integers(0, 2**63 - 1),
)
def test_whatever_the_labels_counts_are_exact_and_masks_nested(
    kind: str, labels: list[int], low: float, high: float, seed: int
) -> None:
    part = make_part(len(labels), 7, labels=np.array(labels))
    small, large = (corrupted(kind, rate, part, seed) for rate in sorted((low, high)))
    changed = small != part.labels
    assert ((small >= 0) & (small < 7)).all()
    np.testing.assert_array_equal(small[changed], large[changed])
    if kind in ("symmetric", "instance"):
        assert changed.sum() == round(min(low, high) * len(labels))
