"""Hyperparameters by name: what they become on a trial's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from trainables.data.task import TaskData
from trainables.engine import resolve
from trainables.engine.resolve import balanced_matrix, true_transition
from trainables.losses.base import Loss
from trainables.losses.ce import CrossEntropy
from trainables.trial import Trial


def test_lda_is_the_matrix_fitted_to_the_labels_that_training_sees(
    digits_with_noise: Callable[[float, int], TaskData], make_trial: Callable[..., Trial]
) -> None:
    trial = make_trial("mcel", hyperparameters={"similarity": "lda"})
    for rate, seed in ((0.2, 7), (0.4, 1)):
        data = digits_with_noise(rate, seed)
        loss = resolve.trial_loss(trial["loss"], trial["model"], data)
        assert np.array_equal(loss.similarity.numpy(), data.similarity("lda"))


def test_uniform_and_ready_matrices_are_left_to_the_loss(digits: TaskData, make_trial: Callable[..., Trial]) -> None:
    ready = (np.roll(np.eye(10), 1, axis=1)).tolist()
    for value, expected in (("uniform", (1 - np.eye(10)) / 9), (ready, np.array(ready))):
        trial = make_trial("mcel", hyperparameters={"similarity": value})
        loss = resolve.trial_loss(trial["loss"], trial["model"], digits)
        assert np.allclose(loss.similarity.numpy(), expected, atol=1e-15)


def test_balanced_is_the_diagonal_of_the_rarest_class_over_each() -> None:
    matrix = balanced_matrix(np.array([20, 10, 40]))
    assert torch.equal(matrix, torch.diag(torch.tensor([0.5, 1.0, 0.25], dtype=torch.float64)))
    assert torch.equal(balanced_matrix(np.array([7, 7])), torch.eye(2, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"classes \[1\] have no training image"):
        balanced_matrix(np.array([3, 0]))


def test_true_transition_is_what_the_noise_did(digits_with_noise: Callable[[float, int], TaskData]) -> None:
    assert torch.equal(true_transition(digits_with_noise(0.0, 0)), torch.eye(10, dtype=torch.float64))
    data = digits_with_noise(0.4, 1)
    transition = true_transition(data)
    torch.testing.assert_close(transition.sum(1), torch.ones(10, dtype=torch.float64))
    true = data.pool.labels[data.train_index]
    assert float(transition[3, 5]) == pytest.approx((data.train_labels[true == 3] == 5).mean())
    assert float(transition.diagonal().mean()) == pytest.approx(1 - 0.4 * 0.9, abs=0.02)


class Given(CrossEntropy):
    """Remembers what it was made with."""

    def __init__(self, **values: Any) -> None:
        super().__init__(values.pop("num_classes"))
        self.values = values


class Family:
    """A family with hyperparameters by name."""

    name = "given"
    hyperparameters = ("matrix", "transition", "modules")

    def __init__(self, needs_samples: bool, attaches_modules: bool) -> None:
        self.needs_samples, self.attaches_modules = needs_samples, attaches_modules

    def complete(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {"matrix": "identity", "transition": "estimated", "modules": "last"} | dict(values)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, digits: TaskData) -> Callable[..., dict[str, Any]]:
    """What a loss of the family above is made with, from a trial's part `loss`."""

    def make(needs_samples: bool = False, attaches_modules: bool = False, **values: Any) -> dict[str, Any]:
        monkeypatch.setattr(resolve, "get_family", lambda name: Family(needs_samples, attaches_modules))
        monkeypatch.setattr(resolve, "make_loss", lambda name, *, dtype, **values: Given(**values))
        loss: Loss = resolve.trial_loss({"family": "given", **values}, {"name": "small_cnn"}, digits)
        return loss.values

    return make


def test_names_that_stand_for_the_data_are_resolved_and_the_others_left(
    made: Callable[..., dict[str, Any]], digits: TaskData
) -> None:
    assert made() == {"matrix": "identity", "transition": "estimated", "modules": "last"}
    values = made(matrix="balanced", transition="true")
    assert torch.equal(values["matrix"], balanced_matrix(np.bincount(digits.train_labels)))
    assert torch.equal(values["transition"], true_transition(digits))


def test_families_are_told_the_number_of_samples_and_of_modules_where_they_ask(
    made: Callable[..., dict[str, Any]], digits: TaskData
) -> None:
    assert made(needs_samples=True)["num_samples"] == len(digits.train_index)
    for modules, count in (("last", 1), ("all", 2), (["conv1", "hidden"], 3)):
        assert made(attaches_modules=True, modules=modules)["num_modules"] == count
    assert "num_samples" not in made()
    assert "num_modules" not in made()


def test_modules_are_a_trials_only_where_its_family_attaches_them(
    monkeypatch: pytest.MonkeyPatch, make_trial: Callable[..., Trial]
) -> None:
    assert resolve.trial_modules(make_trial("ce")["loss"]) is None
    for attaches, expected in ((True, ["conv1"]), (False, None)):
        monkeypatch.setattr(resolve, "get_family", lambda name, a=attaches: Family(False, a))
        assert resolve.trial_modules({"family": "given", "modules": ["conv1"]}) == expected
