"""Label noise: exact counts, nested masks, the seed alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from trainables.data.noise import uniform_noise

RATES = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def marked(rate: float, size: int, num_classes: int, seed: int = 0) -> np.ndarray:
    """Where labels were replaced: labels outside the classes, so that no draw can hit the true one."""
    return uniform_noise(np.full(size, -1), rate, num_classes, seed) >= 0


@pytest.mark.parametrize("rate", RATES)
def test_uniform_noise_replaces_exactly_its_share_of_labels(rate: float) -> None:
    assert marked(rate, 1437, 10).sum() == round(rate * 1437)


@pytest.mark.parametrize("num_classes", [2, 10, 100])
@pytest.mark.parametrize("rate", RATES[1:])
def test_uniform_noise_really_changes_about_rate_times_one_minus_one_over_c(rate: float, num_classes: int) -> None:
    labels = np.arange(20_000) % num_classes
    realised = (uniform_noise(labels, rate, num_classes, seed=1) != labels).mean()
    assert realised == pytest.approx(rate * (1 - 1 / num_classes), abs=0.012)  # four standard deviations or more


def test_uniform_noise_draws_all_classes_alike() -> None:
    counts = np.bincount(uniform_noise(np.zeros(50_000, int), 1.0, 10, seed=2), minlength=10)
    assert (np.abs(counts - 5000) < 350).all()


def test_uniform_noise_masks_of_one_seed_are_nested() -> None:
    labels = np.arange(1000) % 10
    for low, high in pairwise(RATES):
        small, large = marked(low, 1000, 10), marked(high, 1000, 10)
        assert (large[small]).all()
        np.testing.assert_array_equal(
            uniform_noise(labels, low, 10, 0)[small], uniform_noise(labels, high, 10, 0)[small]
        )


def test_uniform_noise_at_zero_leaves_every_label_and_never_writes_into_its_argument() -> None:
    labels = np.arange(500) % 10
    np.testing.assert_array_equal(uniform_noise(labels, 0.0, 10, seed=3), labels)
    uniform_noise(labels, 1.0, 10, seed=3)
    np.testing.assert_array_equal(labels, np.arange(500) % 10)


def test_uniform_noise_depends_on_its_seed_alone() -> None:
    labels = np.zeros(500, int)
    np.testing.assert_array_equal(uniform_noise(labels, 0.5, 10, 4), uniform_noise(labels, 0.5, 10, 4))
    assert (uniform_noise(labels, 0.5, 10, 4) != uniform_noise(labels, 0.5, 10, 5)).any()


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_noise_rate_outside_zero_to_one_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"noise rate .* is outside \[0, 1\]"):
        uniform_noise(np.zeros(4, int), rate, 2, 0)
