"""Splits: stratified, disjoint, determined by their seed; the source's own where it has one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainables.data.datasets import Images, load_pool
from trainables.data.split import split_of, stratified_holdout


def test_split_is_stratified_disjoint_and_complete(cache: Path) -> None:
    labels = np.asarray(load_pool({"name": "digits"}, cache).labels)
    train, val = stratified_holdout(labels, 0.2, seed=11)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, val])), np.arange(1437))
    assert len(val) == round(0.2 * 1437)
    assert (np.abs(np.bincount(labels[val]) - 0.2 * np.bincount(labels)) <= 1).all()


def test_split_is_determined_by_its_seed(cache: Path) -> None:
    labels = np.asarray(load_pool({"name": "digits"}, cache).labels)
    for ours, again in zip(stratified_holdout(labels, 0.2, 11), stratified_holdout(labels, 0.2, 11), strict=True):
        np.testing.assert_array_equal(ours, again)
    assert (stratified_holdout(labels, 0.2, 11)[1] != stratified_holdout(labels, 0.2, 12)[1]).any()


@pytest.mark.parametrize("holdout", [0.05, 0.95, 1.0])
def test_split_that_leaves_too_few_images_on_a_side_is_refused(holdout: float) -> None:
    with pytest.raises(ValueError, match="fewer than one image"):
        stratified_holdout(np.arange(60) % 10, holdout, seed=0)


def test_split_that_leaves_a_rare_class_without_an_image_on_a_side_is_refused() -> None:
    labels = np.array([0] * 100 + [1] * 2)
    with pytest.raises(ValueError, match=r"holdout 0\.2 leaves class 1 without an image for validation"):
        stratified_holdout(labels, 0.2, seed=0)


def test_a_whole_number_is_how_many_images_are_held_out(cache: Path) -> None:
    labels = np.asarray(load_pool({"name": "digits"}, cache).labels)
    train, val = stratified_holdout(labels, 300, seed=11)
    assert (len(train), len(val)) == (1137, 300)
    assert (np.abs(np.bincount(labels[val]) - 300 * np.bincount(labels) / 1437) <= 1).all()


def test_a_class_with_one_image_is_named() -> None:
    with pytest.raises(ValueError, match="class 7 has one image, which cannot be on both sides; leave it out"):
        stratified_holdout(np.array([3] * 50 + [7]), 0.2, seed=0)


def test_classes_of_a_pool_are_named_by_their_names() -> None:
    def pool(*counts: int) -> Images:
        labels = np.repeat(np.arange(len(counts)), counts)
        return Images("ages", np.zeros((len(labels), 1, 2, 2), np.uint8), labels, ("20", "40", "60"), "digest")

    with pytest.raises(ValueError, match="class '60' has one image, which cannot be on both sides"):
        split_of(pool(30, 30, 1), 0.2, seed=0)
    with pytest.raises(ValueError, match=r"holdout 0\.01 leaves classes '40', '60' without an image for validation"):
        split_of(pool(1000, 2, 2), 0.01, seed=0)


def test_the_sources_own_validation_part_is_the_split_whatever_was_asked_for() -> None:
    labels, images = np.arange(40) % 2, np.zeros((40, 1, 2, 2), np.uint8)
    pool = Images("own", images, labels, ("a", "b"), "digest", val_index=np.arange(30, 40))
    train, val = split_of(pool, 0.5, seed=1)
    np.testing.assert_array_equal(train, np.arange(30))
    np.testing.assert_array_equal(val, np.arange(30, 40))


def test_a_holdout_of_nothing_trains_on_all_of_the_pool_the_sources_validation_part_included() -> None:
    labels, images = np.arange(40) % 2, np.zeros((40, 1, 2, 2), np.uint8)
    for own in (None, np.arange(30, 40)):
        train, val = split_of(Images("own", images, labels, ("a", "b"), "digest", val_index=own), 0, seed=1)
        np.testing.assert_array_equal(train, np.arange(40))
        assert len(val) == 0
