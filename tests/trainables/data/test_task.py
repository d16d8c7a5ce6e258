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


def test_pixel_statistics_are_counted_once_per_split(digits: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = digits.pixel_statistics
    monkeypatch.setattr("trainables.data.task.channel_statistics", None)
    again = load_task({"name": "digits"}, SPLIT, {"kind": "uniform", "rate": 0.5, "seed": 1}, digits.cache)
    np.testing.assert_array_equal(again.pixel_statistics, expected)


def test_statistics_of_streamed_images_are_those_of_the_images(written: Callable[..., Path], tmp_path: Path) -> None:
    dataset = {"name": "image_folder", "root": str(written("image_folder")), "size": 12}
    clean = {"kind": "uniform", "rate": 0.0, "seed": 1}
    kept, streamed = (load_task(dataset | {"streamed": flag}, SPLIT, clean, tmp_path) for flag in (False, True))
    np.testing.assert_array_equal(kept.pixel_statistics, streamed.pixel_statistics)


def test_a_task_on_data_with_its_own_validation_part_uses_it(written: Callable[..., Path], tmp_path: Path) -> None:
    dataset = {"name": "image_folder", "root": str(written("image_folder", layout="train_val_test"))}
    task = load_task(dataset, {"holdout": 0.5, "seed": 3}, {"kind": "uniform", "rate": 0.0, "seed": 1}, tmp_path)
    assert (len(task.train_index), task.val_index.tolist()) == (40, list(range(40, 48)))
