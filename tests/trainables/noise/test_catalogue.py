"""What a study file may say of noise, and what it comes to in a trial and on a task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables.data.noise import CLEAN, NOISES, parse, settle, title, transition_matrix, with_seed
from trainables.data.noise.pair import random_pairs
from trainables.data.task import TaskData, load_task
from trainables.engine.resolve import true_transition

DIGITS = tuple("0123456789")
SPLIT = {"holdout": 0.2, "seed": 3}
MAPPED = {"kind": "asymmetric", "rate": 0.4, "mapping": {"7": "1"}}


@pytest.fixture
def task_of(cache: Path) -> Callable[..., TaskData]:
    return lambda **noise: load_task({"name": "digits"}, SPLIT, noise, cache)


@pytest.mark.parametrize("kind", ["uniform", "symmetric", "pair", "asymmetric", "instance", "none"])
def test_every_kind_is_the_same_at_rate_zero(kind: str) -> None:
    assert parse({"kind": kind, "rate": 0, "seed": 3}) == CLEAN == with_seed(CLEAN, 3)
    assert title(CLEAN) == "clean"


@pytest.mark.parametrize(
    "value", [{"kind": "uniform", "rate": 0.4, "seed": 1}, MAPPED, CLEAN, {"kind": "pair", "rate": 1}]
)
def test_settling_twice_changes_nothing(value: dict[str, Any]) -> None:
    once = settle(value, "digits", DIGITS)
    assert settle(once, "digits", DIGITS) == once
    assert json.loads(json.dumps(once)) == once


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"kind": "unifrom", "rate": 0.4}, r"unknown noise 'unifrom'; did you mean 'uniform'\?"),
        ({"rate": 0.4}, "unknown noise 'None'"),
        ({"kind": "pair"}, "noise 'pair' needs a rate"),
        ({"kind": "none", "rate": 0.4}, "noise 'none' has no rate"),
        ({"kind": "uniform", "rate": 0.4, "path": "x"}, "unknown option 'path'; noise 'uniform' has: none"),
        ({"kind": "file", "path": "x", "kee": "y"}, r"unknown option 'kee'; did you mean 'key'\?"),
        *[
            ({"kind": kind, "rate": rate}, r"noise rate .* is outside \[0, 1\]")
            for kind in ("uniform", "instance")
            for rate in (-0.1, 1.1, float("nan"), "much", True)
        ],
    ],
)
def test_what_is_no_noise_is_refused(value: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(value)


def test_titles_are_short() -> None:
    path = {"path": "/data/CIFAR-10_human.pt"}
    assert title({"kind": "uniform", "rate": 0.4}) == "uniform 0.4"
    assert title({"kind": "file", "key": "aggre_label", **path}) == "file aggre"
    assert title({"kind": "file", **path}) == "file CIFAR-10_human"
    assert title({"kind": "matrix", "matrix": [[1.0]]}) == "matrix"
    assert title(MAPPED, "sevens") == "asymmetric sevens 0.4"


# -- tasks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["symmetric", "instance"])
def test_training_and_validation_each_have_the_exact_rate(kind: str, task_of: Callable[..., TaskData]) -> None:
    data = task_of(kind=kind, rate=0.3, seed=5)
    for part, index in (("train", data.train_index), ("val", data.val_index)):
        corrupted = int((data.noisy_labels[index] != data.pool.labels[index]).sum())
        assert corrupted == round(0.3 * len(index))
        assert data.noise_manifest[part] == {
            "labels": len(index), "corrupted": corrupted, "realised_rate": corrupted / len(index),
        }  # fmt: skip
    assert data.realised_rate == data.noise_manifest["train"]["realised_rate"]


def test_a_manifest_says_what_was_asked_and_what_came_of_it(task_of: Callable[..., TaskData]) -> None:
    data = task_of(kind="pair", rate=0.4, seed=5)
    manifest = data.noise_manifest
    assert (manifest["kind"], manifest["requested_rate"], manifest["seed"]) == ("pair", 0.4, 5)
    assert manifest["digest"] == data.noise_digest
    assert manifest["pairs"] == [[DIGITS[a], DIGITS[b]] for a, b in random_pairs(10, 5)]
    np.testing.assert_allclose(manifest["transition"], true_transition(data).numpy(), atol=1e-6)
    assert json.loads(json.dumps(manifest)) == manifest
    for a, b in random_pairs(10, 5):  # the same pairs in validation
        labels = data.noisy_labels[data.val_index][data.pool.labels[data.val_index] == a]
        assert set(labels.tolist()) == {a, b}
    mapped = task_of(**MAPPED, seed=5).noise_manifest
    assert mapped["options"] == {"mapping": {"7": "1"}}
    assert "pairs" not in mapped


def test_a_clean_task_is_one_whatever_the_kind_and_the_seed(task_of: Callable[..., TaskData]) -> None:
    one, other = task_of(kind="pair", rate=0.0, seed=1), task_of(kind="none")
    assert one.noise_digest == other.noise_digest
    assert one.noise_manifest == other.noise_manifest
    np.testing.assert_array_equal(one.noisy_labels, one.pool.labels)


def test_a_tasks_labels_outlive_the_file_they_came_from(cache: Path, tmp_path: Path) -> None:
    clean = load_task({"name": "digits"}, SPLIT, CLEAN, cache)
    given = (np.asarray(clean.pool.labels) + (np.arange(1437) % 9 == 0)) % 10
    path = tmp_path / "given.npy"
    np.save(path, given)
    noise = settle({"kind": "file", "path": str(path)}, "digits", DIGITS)
    first = load_task({"name": "digits"}, SPLIT, noise, cache)
    np.testing.assert_array_equal(first.noisy_labels, given)
    assert str(path) not in json.dumps(first.noise_manifest)
    path.rename(tmp_path / "elsewhere.npy")
    elsewhere = noise | {"path": str(tmp_path / "elsewhere.npy")}
    for again in (noise, elsewhere):
        assert load_task({"name": "digits"}, SPLIT, again, cache).noise_digest == first.noise_digest


def test_every_kind_is_in_the_table_with_its_meaning_and_formula() -> None:
    assert list(NOISES) == ["none", "uniform", "symmetric", "pair", "asymmetric", "instance", "matrix", "file"]
    assert all(kind.name == name and kind.meaning and kind.formula for name, kind in NOISES.items())


def test_a_transition_is_measured_and_an_absent_class_keeps_its_label() -> None:
    measured = transition_matrix(np.array([0, 0, 0, 0, 2]), np.array([0, 0, 0, 1, 2]), 4)
    np.testing.assert_array_equal(measured, [[0.75, 0.25, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
