"""Hyperparameters by name: what they become on a trial's data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from trainables.data.task import TaskData
from trainables.engine import resolve
from trainables.engine.resolve import true_transition
from trainables.losses.matrices import balanced_matrix
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


def test_true_transition_is_what_the_noise_did(digits_with_noise: Callable[[float, int], TaskData]) -> None:
    assert torch.equal(true_transition(digits_with_noise(0.0, 0)), torch.eye(10, dtype=torch.float64))
    data = digits_with_noise(0.4, 1)
    transition = true_transition(data)
    torch.testing.assert_close(transition.sum(1), torch.ones(10, dtype=torch.float64))
    true = data.pool.labels[data.train_index]
    assert float(transition[3, 5]) == pytest.approx((data.train_labels[true == 3] == 5).mean())
    assert float(transition.diagonal().mean()) == pytest.approx(1 - 0.4 * 0.9, abs=0.02)


def test_names_that_stand_for_the_data_are_resolved_and_the_others_left(
    digits_with_noise: Callable[[float, int], TaskData], make_trial: Callable[..., Trial]
) -> None:
    data = digits_with_noise(0.4, 1)

    def made(family: str, **values: Any) -> Any:
        trial = make_trial(family, hyperparameters=values)
        return resolve.trial_loss(trial["loss"], trial["model"], data)

    assert torch.equal(made("infogain", matrix="balanced").weights, balanced_matrix(np.bincount(data.train_labels)))
    assert torch.equal(made("infogain", matrix="identity").weights, torch.eye(10, dtype=torch.float64))
    torch.testing.assert_close(made("forward", transition="true").arrays()["transition"], true_transition(data))
    likeness = made("simloss", similarity="lda", eps=1e-8, l=0.0).likeness
    assert np.array_equal(likeness.numpy(), np.maximum(data.likeness("lda"), 0))
    assert made("simloss", similarity="order", r=0.5).likeness[0, :3].tolist() == [1, 0.5, 0.25]


def test_families_are_told_the_number_of_samples_and_of_modules_where_they_ask(
    digits: TaskData, make_trial: Callable[..., Trial]
) -> None:
    trial = make_trial("elr")
    loss: Any = resolve.trial_loss(trial["loss"], trial["model"], digits)
    assert len(loss.ensemble) == len(digits.train_index)
    for modules, count in (("last", 1), ("all", 2), ("conv1+hidden", 3)):
        trial = make_trial("msl", hyperparameters={"modules": modules}, model="small_cnn")
        loss = resolve.trial_loss(trial["loss"], trial["model"], digits)
        assert loss.num_modules == count


def test_modules_are_a_trials_only_where_its_family_attaches_them(make_trial: Callable[..., Trial]) -> None:
    assert resolve.trial_modules(make_trial("ce")["loss"]) is None
    assert resolve.trial_modules(make_trial("msl", hyperparameters={"modules": "conv1"})["loss"]) == "conv1"
