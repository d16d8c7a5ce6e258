"""Losses that remember: ELR every sample, forward correction the transition that it estimated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainables.losses.formulas import SAMPLES, C, make, noisy_transition
from trainables.losses import make_loss
from trainables.losses.forward import estimate_transition


def draw(size: int = 8, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(size, C, generator=generator, dtype=torch.float64)
    indices = torch.randperm(SAMPLES, generator=generator)[:size]
    return logits, torch.randint(0, C, (size,), generator=generator), indices


# -- ELR -----------------------------------------------------------------------------------------------------------


def test_elr_keeps_a_running_mean_of_each_samples_probabilities() -> None:
    loss, beta = make("elr", beta=0.6), 0.6
    expected = np.zeros((SAMPLES, C))
    for seed in range(3):
        logits, targets, indices = draw(seed=seed)
        loss(logits, targets, indices)
        q = np.clip(logits.softmax(-1).numpy(), 1e-4, 1 - 1e-4)
        expected[indices] = beta * expected[indices] + (1 - beta) * q / q.sum(1, keepdims=True)
    np.testing.assert_allclose(dict(loss.named_buffers())["ensemble"], expected, atol=1e-14)


def test_elr_regularisation_is_equation_6_with_what_is_remembered() -> None:
    loss = make("elr", lambda_=2.0).train()
    logits, targets, indices = draw()
    loss(logits, targets, indices)
    remembered = dict(loss.named_buffers())["ensemble"][indices]
    other = draw(seed=5)[0]
    q = other.softmax(-1).clamp(1e-4, 1 - 1e-4)
    expected = -other.log_softmax(-1).gather(1, targets[:, None])[:, 0] + 2 * (1 - (remembered * q).sum(1)).log()
    torch.testing.assert_close(loss.eval()(other, targets, indices, reduction="none"), expected, rtol=0, atol=1e-13)


def test_elr_without_indices_or_without_the_number_of_samples_is_refused() -> None:
    logits, targets, _ = draw()
    with pytest.raises(ValueError, match="call it with their indices"):
        make("elr")(logits, targets)
    with pytest.raises(ValueError, match="elr remembers every training sample: say how many there are, num_samples"):
        make_loss("elr", num_classes=C)


# -- forward correction --------------------------------------------------------------------------------------------


def test_forward_correction_with_the_true_transition_has_its_minimum_at_the_clean_distribution() -> None:
    transition = noisy_transition(C)
    loss = make("forward", transition=transition)
    clean = torch.tensor([0.6, 0.2, 0.1, 0.06, 0.04], dtype=torch.float64)
    labels = torch.arange(C)
    weights = clean @ torch.tensor(transition)  # how often each label is seen
    logits = clean.log().clone().requires_grad_()
    expected_loss = (weights * loss(logits.expand(C, C), labels, reduction="none")).sum()
    (gradient,) = torch.autograd.grad(expected_loss, logits)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-14)


def test_forward_correction_is_cross_entropy_until_the_warm_up_ends() -> None:
    loss = make("forward", transition="estimated", warmup=2)
    logits, targets, _ = draw(40)
    ce = make("ce")(logits, targets)
    assert [loss.observes(epoch) for epoch in (1, 2, 3)] == [False, True, False]
    loss.end_epoch(1, logits, targets)
    torch.testing.assert_close(loss(logits, targets), ce, rtol=0, atol=1e-14)
    loss.end_epoch(2, logits, targets)
    estimated = loss.arrays()["transition"].clone()
    assert abs(float(loss(logits, targets) - ce)) > 1e-3
    loss.end_epoch(3, logits.flip(0) * 2, targets)
    torch.testing.assert_close(loss.arrays()["transition"], estimated, rtol=0, atol=0)


def test_forward_correction_with_a_ready_transition_observes_nothing() -> None:
    loss = make("forward", transition=noisy_transition(C), warmup=1)
    assert not loss.observes(1)
    torch.testing.assert_close(loss.arrays()["transition"], torch.tensor(noisy_transition(C)), rtol=0, atol=1e-14)


def test_transition_is_what_the_network_says_of_the_sample_at_the_quantile() -> None:
    q = torch.tensor([[0.1, 0.9], [0.5, 0.5], [0.8, 0.2], [0.95, 0.05], [0.3, 0.7]], dtype=torch.float64)
    torch.testing.assert_close(estimate_transition(q.log(), 1.0), q[[3, 0]])
    torch.testing.assert_close(estimate_transition(q.log(), 0.75), q[[2, 4]])


def test_transition_is_recovered_from_a_network_that_fits_noisy_labels() -> None:
    transition = torch.tensor(noisy_transition(C))
    generator = torch.Generator().manual_seed(0)
    clean = (6 * torch.randn(4000, C, generator=generator, dtype=torch.float64)).softmax(-1)
    estimated = estimate_transition((clean @ transition).log(), 0.97)
    assert (estimated - transition).abs().max() < 0.01


def test_an_answer_that_is_impossible_by_the_estimate_still_has_a_finite_loss() -> None:
    loss = make("forward", transition="estimated", warmup=1)
    loss.end_epoch(1, 1e4 * torch.eye(C, dtype=torch.float64).roll(1, 1)[:, [0] * C], torch.arange(C))
    logits, targets, _ = draw()
    logits.requires_grad_()
    value = loss(logits, targets)
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, logits)[0]).all()
