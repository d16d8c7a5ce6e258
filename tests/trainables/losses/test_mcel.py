"""What the paper of the mixed cross entropies promises, with its derivatives as our notes correct them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainables.losses.formulas import C, make, random_rows
from trainables.losses.base import Loss

A = random_rows(C)
UNUSUAL = [-0.2, 0.1, 0.45, 0.8, 1.3]  # below 0, within [0, 0.5], between, above 1


def batch(size: int = 12, num_classes: int = C) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    logits = 3 * torch.randn(size, num_classes, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(0, num_classes, (size,), generator=generator)


def set_learned(loss: Loss, name: str, value: Any) -> Tensor:
    parameter = dict(loss.named_parameters())[name]
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(value, dtype=torch.float64))
    return parameter


def random_mixture() -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.3, 1.2, (C, C))


# -- identities ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.1, 0.3, 0.49])
@pytest.mark.parametrize("num_classes", [3, 5, 10])
def test_mcel_with_uniform_similarity_is_label_smoothing(epsilon: float, num_classes: int) -> None:
    logits, targets = batch(9, num_classes)
    mcel = make("mcel", num_classes, epsilon=epsilon)
    smoothing = make("label_smoothing", num_classes, epsilon=epsilon * num_classes / (num_classes - 1))
    torch.testing.assert_close(mcel(logits, targets), smoothing(logits, targets), rtol=0, atol=1e-13)


def test_mcel_takes_the_row_of_the_label_not_the_column() -> None:
    similarity = np.array([[0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]])
    logits, _ = batch(1, 3)
    log_q = logits.log_softmax(-1)[0]
    loss = make("mcel", 3, epsilon=0.25, similarity=similarity)
    torch.testing.assert_close(loss(logits, torch.tensor([0])), -0.75 * log_q[0] - 0.25 * log_q[1])


@pytest.mark.parametrize("epsilon", [0.1, 0.35])
@pytest.mark.parametrize(
    "learned", [("sg_mcel", "free"), ("sg_mcel", "bounded"), ("gmcel", "free"), ("gmcel", "simplex")]
)
def test_learned_families_begin_as_mcel_in_the_data_term(epsilon: float, learned: tuple[str, str]) -> None:
    logits, targets = batch()
    family, parameterisation = learned
    start = make(family, epsilon=epsilon, similarity=A, parameterisation=parameterisation)
    mcel = make("mcel", epsilon=epsilon, similarity=A)
    ours, theirs = (loss(logits, targets, reduction="none") for loss in (start, mcel))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=4e-15 if parameterisation != "simplex" else 1e-12)


def test_gmcel_with_the_rows_of_sg_mcel_is_sg_mcel_in_the_data_term() -> None:
    logits, targets = batch()
    sg_mcel, gmcel = make("sg_mcel", similarity=A), make("gmcel", similarity=A)
    e = np.array(UNUSUAL)
    set_learned(sg_mcel, "epsilon", e)
    set_learned(gmcel, "mixture", e[:, None] * A + np.diag(1 - e))
    ours, theirs = (loss(logits, targets, reduction="none") for loss in (gmcel, sg_mcel))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)


def test_infogain_row_of_a_matrix_is_the_column_of_its_transpose() -> None:
    logits, targets = batch()[0].detach(), batch()[1]
    matrix = random_mixture() ** 2
    row, column = make("infogain", matrix=matrix, axis="row"), make("infogain", matrix=matrix.T)
    assert float(row(logits, targets)) == float(column(logits, targets))
    assert float(row(logits, targets)) != float(make("infogain", matrix=matrix)(logits, targets))


def test_infogain_with_mcels_rows_is_mcel() -> None:
    logits, targets = batch()
    rows = 0.7 * np.eye(C) + 0.3 * A
    ours, theirs = make("infogain", matrix=rows, axis="row"), make("mcel", epsilon=0.3, similarity=A)
    torch.testing.assert_close(ours(logits, targets), theirs(logits, targets), rtol=0, atol=1e-14)


# -- gradients in closed form --------------------------------------------------------------------------------------


def gradient_by_probabilities(loss: Loss, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """dl/df as the papers write it: f free, not constrained to sum to 1. Log probabilities serve as logits."""
    f = logits.detach().softmax(-1)
    leaf = f.log().requires_grad_()
    (by_log,) = torch.autograd.grad(loss(leaf, targets, reduction="none").sum(), leaf)
    # The softmax takes its own share out of the gradient, sum_i p_i of q; rows of MCEL sum to 1.
    return (by_log - f) / f, f


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.4])
def test_mcel_gradient_by_the_prediction_is_equation_5(epsilon: float) -> None:
    logits, targets = batch()
    found, f = gradient_by_probabilities(make("mcel", epsilon=epsilon, similarity=A), logits, targets)
    for n, y in enumerate(targets.tolist()):
        expected = [-(1 - epsilon) / f[n, j] if j == y else -epsilon * A[y, j] / f[n, j] for j in range(C)]
        torch.testing.assert_close(found[n], torch.stack(expected), rtol=1e-10, atol=1e-10)


def test_sg_mcel_gradient_by_the_prediction_is_equation_7() -> None:
    logits, targets = batch()
    loss = make("sg_mcel", similarity=A)
    set_learned(loss, "epsilon", UNUSUAL)
    found, f = gradient_by_probabilities(loss, logits, targets)
    for n, y in enumerate(targets.tolist()):
        e = UNUSUAL[y]
        expected = [-(1 - e) / f[n, j] if j == y else -e * A[y, j] / f[n, j] for j in range(C)]
        torch.testing.assert_close(found[n], torch.stack(expected), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_sg_mcel_gradient_by_epsilon_is_as_the_notes_correct_it(p: float) -> None:
    alpha, beta, gamma = 2.0, 0.7, 0.3
    logits, targets = batch()
    loss = make("sg_mcel", similarity=A, alpha=alpha, beta=beta, gamma=gamma, p=p)
    parameter = set_learned(loss, "epsilon", UNUSUAL)
    (found,) = torch.autograd.grad(loss(logits, targets), parameter)
    log_f, e = logits.detach().log_softmax(-1).numpy(), np.array(UNUSUAL)
    data = np.zeros(C)
    for n, y in enumerate(targets.tolist()):
        data[y] += log_f[n, y] - (A[y] * log_f[n]).sum()
    norm = np.array([np.abs(e[i] * A[i]).sum() + abs(1 - e[i]) for i in range(C)])
    expected = data / len(targets)  # the mean over the batch, where the paper sums
    expected += 2 * alpha * (norm - 1) * (np.sign(e) - np.sign(1 - e))
    expected += beta * p * np.sign(e - 0.5) * np.abs(e - 0.5) ** (p - 1)
    expected += gamma * p * np.sign(e) * np.abs(e) ** (p - 1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_gmcel_gradient_by_the_mixture_as_derived(p: float) -> None:
    weights = {"alpha": 2.0, "beta": 0.7, "gamma": 0.3, "eta": 0.4}
    logits, targets = batch()
    loss = make("gmcel", similarity=A, p=p, margins=0.2, **weights)
    mixture = random_mixture()
    parameter = set_learned(loss, "mixture", mixture)
    (found,) = torch.autograd.grad(loss(logits, targets), parameter)
    log_f = logits.detach().log_softmax(-1).numpy()
    expected = np.zeros((C, C))
    for n, y in enumerate(targets.tolist()):
        expected[y] -= log_f[n] / len(targets)
    for i in range(C):
        others = mixture[i].sum() - mixture[i, i]
        imbalance = (C - 1) * (mixture[i, i] - 0.2) - others
        for j in range(C):
            m = mixture[i, j]
            expected[i, j] += 2 * weights["alpha"] * (mixture[i].sum() - 1)
            expected[i, j] += weights["beta"] * p * np.sign(m - 1) * abs(m - 1) ** (p - 1)
            expected[i, j] += weights["gamma"] * p * np.sign(m) * abs(m) ** (p - 1)
            expected[i, j] += 2 * weights["eta"] * imbalance * (C - 1 if i == j else -1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


# -- penalties -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0])
def test_sg_mcel_penalties_are_equation_10(p: float) -> None:
    loss = make("sg_mcel", similarity=A, alpha=2.0, beta=0.7, gamma=0.3, p=p)
    set_learned(loss, "epsilon", UNUSUAL)
    rows = [[e * A[i, j] if i != j else 1 - e for j in range(C)] for i, e in enumerate(UNUSUAL)]
    expected = sum(2.0 * (sum(abs(entry) for entry in row) - 1) ** 2 for row in rows)
    expected += sum(0.7 * abs(e - 0.5) ** p + 0.3 * abs(e) ** p for e in UNUSUAL)
    assert float(loss.batch_term(*batch()).detach()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("margins", ["ours", "paper", 0.3])
def test_gmcel_penalties_are_equation_11(p: float, margins: str | float) -> None:
    epsilon = 0.2
    weights = {"alpha": 2.0, "beta": 0.7, "gamma": 0.3, "eta": 0.4}
    loss = make("gmcel", similarity=A, p=p, margins=margins, epsilon=epsilon, **weights)
    mixture = random_mixture()
    set_learned(loss, "mixture", mixture)
    c = {"ours": (C * (1 - epsilon) - 1) / (C - 1), "paper": (0.5 - epsilon) / 2}.get(margins, margins)
    expected = 2.0 * ((mixture.sum(1) - 1) ** 2).sum()
    expected += 0.7 * (np.abs(mixture - 1) ** p).sum() + 0.3 * (np.abs(mixture) ** p).sum()
    for i in range(C):
        others = sum(mixture[i, j] for j in range(C) if j != i)
        expected += 0.4 * ((C - 1) * (mixture[i, i] - c) - others) ** 2
    assert float(loss.batch_term(*batch()).detach()) == pytest.approx(expected, rel=1e-12)


def test_sg_mcel_alpha_penalty_is_zero_within_zero_and_one() -> None:
    loss = make("sg_mcel", alpha=5.0, beta=0.0, gamma=0.0)
    set_learned(loss, "epsilon", [0.0, 0.25, 0.5, 0.75, 1.0])
    assert float(loss.batch_term(*batch()).detach()) == pytest.approx(0, abs=1e-30)
    set_learned(loss, "epsilon", [-0.5, 0.25, 0.5, 0.75, 1.0])
    assert float(loss.batch_term(*batch()).detach()) == pytest.approx(5 * 4 * 0.5**2, rel=1e-12)


def test_our_margins_leave_the_start_of_gmcel_unpenalised_and_the_papers_do_not() -> None:
    terms = {
        margins: float(
            make("gmcel", 10, alpha=1.0, beta=0.0, gamma=0.0, eta=1.0, margins=margins).batch_term(*batch()).detach()
        )
        for margins in ("ours", "paper")
    }
    assert terms["ours"] == pytest.approx(0, abs=1e-25)
    assert terms["paper"] > 1


# -- what was learned is shown -------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameterisation", ["free", "bounded"])
def test_sg_mcel_shows_its_shares_not_its_parameters(parameterisation: str) -> None:
    loss = make("sg_mcel", epsilon=0.2, parameterisation=parameterisation)
    torch.testing.assert_close(loss.arrays()["epsilon"], torch.full((C,), 0.2, dtype=torch.float64))
    assert {name: round(float(value.detach()), 12) for name, value in loss.metrics().items()} == {
        "epsilon_mean": 0.2, "epsilon_min": 0.2, "epsilon_max": 0.2
    }  # fmt: skip


def test_sg_mcel_warns_of_shares_that_ran_away() -> None:
    loss = make("sg_mcel")
    assert list(loss.warnings()) == []
    set_learned(loss, "epsilon", [-0.2, 0.1, 0.2, 0.3, 0.7])
    (sentence,) = loss.warnings()
    assert "the learned epsilon of 2 of 5 classes is outside [-0.1, 0.6], -0.2 for class 0" in sentence


def test_bounded_shares_stay_between_zero_and_a_half_whatever_is_learned() -> None:
    loss = make("sg_mcel", parameterisation="bounded")
    set_learned(loss, "epsilon", [-1e3, -5, 0, 5, 1e3])
    shares = loss.arrays()["epsilon"]
    assert shares.min() >= 0
    assert shares.max() <= 0.5


@pytest.mark.parametrize("parameterisation", ["free", "simplex"])
def test_gmcel_shows_its_matrix_and_the_margin_of_the_diagonal(parameterisation: str) -> None:
    loss = make("gmcel", epsilon=0.2, similarity=A, parameterisation=parameterisation)
    rows = 0.8 * np.eye(C) + 0.2 * A
    np.testing.assert_allclose(loss.arrays()["mixture"].detach(), rows, atol=1e-7)
    assert float(loss.metrics()["diagonal_mean"].detach()) == pytest.approx(0.8, abs=1e-7)
    assert float(loss.metrics()["diagonal_margin"].detach()) == pytest.approx(0.8 - 0.2 * A.max(), abs=1e-7)
    assert list(loss.warnings()) == []


def test_gmcel_warns_where_a_class_no_longer_leads_its_row() -> None:
    loss = make("gmcel")
    mixture = np.eye(C)
    mixture[2, 2], mixture[2, 4] = 0.4, 0.5
    set_learned(loss, "mixture", mixture)
    (sentence,) = loss.warnings()
    assert "the learned mixture's diagonal leads by -0.1: some" in sentence


def test_simplex_rows_sum_to_one_whatever_is_learned() -> None:
    loss = make("gmcel", parameterisation="simplex")
    set_learned(loss, "mixture", 10 * random_mixture())
    torch.testing.assert_close(loss.arrays()["mixture"].sum(1), torch.ones(C, dtype=torch.float64))


@pytest.mark.parametrize("family", ["sg_mcel", "gmcel"])
def test_learned_families_carry_their_own_learning_rate_and_others_none(family: str) -> None:
    assert float(make(family, loss_lr=0.25).learning_rate) == 0.25
    assert make("mcel").learning_rate is None
