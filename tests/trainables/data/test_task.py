"""Decoding, splits and label noise: exact counts, disjoint parts, the same for everyone who asks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from trainables.data import datasets
from trainables.data.datasets import load_pool, load_test
from trainables.data.noise import uniform_noise
from trainables.data.split import stratified_holdout
from trainables.data.store import cached_arrays
from trainables.data.task import TaskData, load_task

SPLIT = {"holdout": 0.2, "seed": 3}
RATES = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def as_rows(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in np.asarray(images)}


# -- digits -------------------------------------------------------------------------------------------------------


def test_digits_have_a_pool_of_1437_and_a_test_set_of_360_that_share_no_image(cache: Path) -> None:
    pool, test = load_pool("digits", cache), load_test("digits", cache)
    assert pool.images.shape == (1437, 1, 8, 8)
    assert test.images.shape == (360, 1, 8, 8)
    assert pool.images.dtype == np.uint8
    assert pool.image_shape == (1, 8, 8)
    assert len(as_rows(pool.images) | as_rows(test.images)) == 1797  # all 1,797 differ, so none lies in both
    assert np.asarray(pool.images).max() == 255


def test_digits_test_set_has_a_fifth_of_every_class(cache: Path) -> None:
    pool, test = (np.bincount(part("digits", cache).labels, minlength=10) for part in (load_pool, load_test))
    assert (np.abs(test - (pool + test) / 5) < 1).all()


def test_each_part_of_a_data_set_is_decoded_once_per_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def reader() -> datasets.Decoded:
        calls.append(1)
        return datasets.read_digits()

    monkeypatch.setitem(datasets.READERS, "digits", reader)
    for part in (load_pool, load_test):
        part("digits", tmp_path)
        decoded = len(calls)
        part("digits", tmp_path)
        assert len(calls) == decoded > 0


def test_digest_is_the_same_in_another_cache_and_differs_between_parts(cache: Path, tmp_path: Path) -> None:
    here, there = load_pool("digits", cache), load_pool("digits", tmp_path)
    assert here.digest == there.digest
    assert here.digest != load_test("digits", tmp_path).digest


def test_unknown_data_set_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown data set 'digit'; did you mean 'digits'\?"):
        load_pool("digit", tmp_path)


# -- noise --------------------------------------------------------------------------------------------------------


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


# -- split --------------------------------------------------------------------------------------------------------


def test_split_is_stratified_disjoint_and_complete(cache: Path) -> None:
    labels = np.asarray(load_pool("digits", cache).labels)
    train, val = stratified_holdout(labels, 0.2, seed=11)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, val])), np.arange(1437))
    assert len(val) == round(0.2 * 1437)
    assert (np.abs(np.bincount(labels[val]) - 0.2 * np.bincount(labels)) <= 1).all()


def test_split_is_determined_by_its_seed(cache: Path) -> None:
    labels = np.asarray(load_pool("digits", cache).labels)
    for ours, again in zip(stratified_holdout(labels, 0.2, 11), stratified_holdout(labels, 0.2, 11), strict=True):
        np.testing.assert_array_equal(ours, again)
    assert (stratified_holdout(labels, 0.2, 11)[1] != stratified_holdout(labels, 0.2, 12)[1]).any()


@pytest.mark.parametrize("holdout", [0.0, 0.05, 0.95, 1.0])
def test_split_that_leaves_too_few_images_on_a_side_is_refused(holdout: float) -> None:
    with pytest.raises(ValueError, match="fewer than one image"):
        stratified_holdout(np.arange(60) % 10, holdout, seed=0)


def test_split_that_leaves_a_rare_class_without_an_image_on_a_side_is_refused() -> None:
    labels = np.array([0] * 100 + [1] * 2)
    with pytest.raises(ValueError, match=r"holdout 0\.2 leaves classes \[1\] without an image for validation"):
        stratified_holdout(labels, 0.2, seed=0)


# -- task ---------------------------------------------------------------------------------------------------------


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


# -- many processes, one cache ------------------------------------------------------------------------------------

LOADER = """
import json, sys, time
from pathlib import Path
import sklearn.datasets, sklearn.discriminant_analysis, sklearn.model_selection
from trainables.data.task import load_task
cache, go = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
noise = {"kind": "uniform", "rate": 0.2, "seed": 7}
data = load_task({"name": "digits"}, {"holdout": 0.2, "seed": 3}, noise, cache)
print(json.dumps([data.pool.digest, data.split_digest, data.noise_digest, data.similarity("lda").tolist()]))
"""


def test_processes_that_fill_one_fresh_cache_at_once_all_read_the_same(digits: TaskData, tmp_path: Path) -> None:
    cache, go = tmp_path / "cache", tmp_path / "go"
    command = [sys.executable, "-c", LOADER, str(cache), str(go)]
    root = Path(__file__).parents[3]
    loaders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(3)]
    for loader in loaders:
        assert loader.stdout.readline() == "ready\n"
    go.touch()
    answers = [json.loads(loader.communicate(timeout=60)[0]) for loader in loaders]
    assert [loader.returncode for loader in loaders] == [0, 0, 0]
    for answer in answers:
        assert answer[:3] == [digits.pool.digest, digits.split_digest, digits.noise_digest]
        np.testing.assert_allclose(answer[3], digits.similarity("lda"), atol=1e-10)
    assert [path.name for path in cache.rglob(".*")] == []  # no loser left its draft behind


def test_loser_of_a_race_reads_what_the_winner_wrote(tmp_path: Path) -> None:
    folder = tmp_path / "entry"

    def slower() -> tuple[dict[str, np.ndarray], dict[str, str]]:
        cached_arrays(folder, lambda: ({"x": np.array([1])}, {"by": "winner"}))
        time.sleep(0.01)
        return {"x": np.array([2])}, {"by": "loser"}

    arrays, facts = cached_arrays(folder, slower)
    assert (arrays["x"].tolist(), facts) == ([1], {"by": "winner"})
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_failure_while_making_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", full_disk)
        with pytest.raises(OSError, match="no space left"):
            cached_arrays(tmp_path / "entry", lambda: ({"x": np.array([1])}, {}))
    assert list(tmp_path.iterdir()) == []
    assert cached_arrays(tmp_path / "entry", lambda: ({"x": np.array([1])}, {}))[0]["x"].tolist() == [1]
