"""A task's data: noise in its exact share, one split for all noises, statistics of the training pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainables.data.task import TaskData, load_task

SPLIT = {"holdout": 0.2, "seed": 3}


def test_tasks_noise_has_its_exact_share_in_training_and_in_validation(
    digits_with_noise: Callable[[float, int], TaskData],
) -> None:
    clean, noisy = digits_with_noise(0.0, 7), digits_with_noise(1.0, 7)
    np.testing.assert_array_equal(clean.noisy_labels, clean.pool.labels)
    assert clean.realised_rate == 0
    for index in (noisy.train_index, noisy.val_index):
        changed = (noisy.noisy_labels[index] != noisy.pool.labels[index]).mean()
        assert changed == pytest.approx(0.9, abs=0.06)
    assert noisy.realised_rate == pytest.approx(0.9, abs=0.03)


def test_noise_changes_neither_images_nor_split(digits_with_noise: Callable[[float, int], TaskData]) -> None:
    clean, noisy = digits_with_noise(0.0, 7), digits_with_noise(0.4, 8)
    assert clean.split_digest == noisy.split_digest
    assert clean.noise_digest != noisy.noise_digest
    np.testing.assert_array_equal(clean.train_index, noisy.train_index)


def test_task_is_the_same_in_another_cache(digits: TaskData, tmp_path: Path) -> None:
    noise = {"kind": "uniform", "rate": 0.2, "seed": 7}
    there = load_task({"name": "digits"}, SPLIT, noise, tmp_path)
    assert (digits.split_digest, digits.noise_digest) == (there.split_digest, there.noise_digest)
    np.testing.assert_array_equal(digits.noisy_labels, there.noisy_labels)


def test_pixel_statistics_are_those_of_the_training_images(digits: TaskData) -> None:
    pixels = np.asarray(digits.pool.images)[np.asarray(digits.train_index)].astype(float).ravel() / 255
    mean, deviation = digits.pixel_statistics
    assert mean == pytest.approx([pixels.mean()], abs=1e-12)
    assert deviation == pytest.approx([pixels.std()], abs=1e-12)
