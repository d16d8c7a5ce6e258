"""NLL and Brier score: scikit-learn's, and the formula written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from tests.trainables.metrics.cases import Case, for_any_case, make_case
from trainables.metrics.scores import brier, nll


def brier_by_hand(probabilities: np.ndarray, targets: np.ndarray) -> float:
    total = 0.0
    for row, target in zip(probabilities, targets, strict=True):
        for index, probability in enumerate(row):
            total += (probability - (index == target)) ** 2
    return total / len(targets)


def test_nll_is_scikit_learns_log_loss() -> None:
    case = make_case(0)
    found = nll(case.logits.log_softmax(-1), case.targets).mean(-1)
    rows = zip(case.probabilities.numpy(), case.targets.numpy(), strict=True)
    expected = [log_loss(targets, probabilities, labels=range(10)) for probabilities, targets in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@for_any_case
def test_nll_of_any_shape_is_minus_the_log_of_the_labels_probability(case: Case) -> None:
    found = nll(case.logits.log_softmax(-1), case.targets)
    expected = case.each(
        lambda z, y: np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(len(y)), y]
    )
    np.testing.assert_allclose(found, expected, atol=1e-10)


@for_any_case
def test_brier_score_is_the_squared_error_summed_over_classes(case: Case) -> None:
    found = brier(case.probabilities, case.targets).mean(-1)
    rows = zip(case.probabilities.numpy(), case.targets.numpy(), strict=True)
    np.testing.assert_allclose(found, [brier_by_hand(q, y) for q, y in rows], atol=1e-12)
    assert bool((found >= 0).all())
    assert bool((found <= 2).all())


def test_brier_score_of_certainty_is_0_where_right_and_2_where_wrong() -> None:
    assert brier(torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([1])).item() == 0
    assert brier(torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([2])).item() == 2


def test_brier_score_is_never_below_0_in_single_precision() -> None:
    logits = torch.linspace(0, 20, 10_000)[:, None] * torch.tensor([1.0, 0.0, 0.3])
    assert bool((brier(logits.softmax(-1), torch.zeros(10_000, dtype=torch.long)) >= 0).all())


@pytest.mark.parametrize("score", [nll, brier])
def test_labels_may_have_a_leading_axis_that_logits_lack(score: object) -> None:
    case, other = make_case(1), make_case(2)
    values, both = case.probabilities.log(), torch.stack([case.targets, other.targets])
    for targets, found in zip(both, score(values, both), strict=True):
        assert torch.equal(found, score(values, targets))
