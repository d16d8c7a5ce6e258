"""Fewer images and fewer classes: stratified, always the same draw, the test set whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainables.data.datasets import load_pool, load_test
from trainables.data.datasets.draw import stratified_draw
from trainables.similarity.cifar100 import SIMLOSS_LEFT_OUT


def test_a_limit_draws_as_many_of_every_class_and_leaves_the_test_set_whole(cache: Path) -> None:
    dataset = {"name": "digits", "limit": 200}
    pool, whole = load_pool(dataset, cache), load_pool({"name": "digits"}, cache)
    assert len(pool.labels) == 200
    assert (np.abs(np.bincount(pool.labels) - 200 * np.bincount(whole.labels) / 1437) < 1).all()
    assert len(load_test(dataset, cache).labels) == 360
    assert load_pool(dataset, cache).digest == pool.digest != whole.digest


def test_a_limit_above_the_pool_is_the_pool(cache: Path) -> None:
    whole = load_pool({"name": "digits"}, cache)
    assert load_pool({"name": "digits", "limit": 5000}, cache).digest == whole.digest


def test_classes_keep_their_order_and_their_images_in_both_parts(cache: Path) -> None:
    whole, test = load_pool({"name": "digits"}, cache), load_test({"name": "digits"}, cache)
    odd = {"name": "digits", "classes": [7, 3, "1"]}
    pool = load_pool(odd, cache)
    assert pool.class_names == load_test(odd, cache).class_names == ("1", "3", "7")
    for label, digit in enumerate((1, 3, 7)):
        np.testing.assert_array_equal(pool.images[pool.labels == label], whole.images[whole.labels == digit])
        assert (load_test(odd, cache).labels == label).sum() == (test.labels == digit).sum()


def test_simloss_leaves_four_classes_of_cifar100_out(written: Callable[..., Path], tmp_path: Path) -> None:
    dataset = {"name": "cifar100", "root": str(written("cifar100")), "leave_out": list(SIMLOSS_LEFT_OUT)}
    pool = load_pool(dataset, tmp_path)
    assert pool.num_classes == 96
    assert set(pool.class_names).isdisjoint(SIMLOSS_LEFT_OUT)
    assert np.bincount(pool.labels).tolist() == [10] * 96


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"leave_out": ["tem"]}, "leave_out: unknown class 'tem'"),
        ({"classes": ["4"]}, "1 of 10 classes are left by classes and leave_out; keep at least 2"),
    ],
)
def test_impossible_cuts_are_refused(options: dict[str, object], expected: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=expected):
        load_pool({"name": "digits", **options}, cache)


def test_a_draw_gives_every_stratum_its_share_to_the_largest_remainder() -> None:
    strata = np.repeat([0, 1, 2], [70, 20, 10])
    for count in (0, 1, 7, 33, 100):
        drawn = stratified_draw(strata, count, seed=3)
        assert len(set(drawn.tolist())) == count
        assert (np.abs(np.bincount(strata[drawn], minlength=3) - count * np.array([0.7, 0.2, 0.1])) < 1).all()
