"""Top-k: scikit-learn's, with ties decided as `argmax` decides them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score

from tests.trainables.metrics.cases import Case, for_any_case, make_case
from trainables.metrics.ranks import top_k


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_top_k_is_scikit_learns(k: int) -> None:
    case = make_case(3)
    expected = case.each(lambda logits, targets: top_k_accuracy_score(targets, logits, k=k, labels=range(10)))
    np.testing.assert_allclose(top_k(case.logits, case.targets, k).double().mean(-1), expected)


@for_any_case
def test_top_1_is_argmax_even_where_logits_are_equal(case: Case) -> None:
    coarse = case.logits.round()
    assert torch.equal(top_k(coarse, case.targets, 1), coarse.argmax(-1) == case.targets)


@for_any_case
def test_everything_is_among_all_classes_and_nothing_among_none(case: Case) -> None:
    assert bool(top_k(case.logits, case.targets, case.classes).all())
    assert not bool(top_k(case.logits, case.targets, 0).any())


def test_a_network_that_cannot_tell_classes_apart_is_right_on_k_of_them_only() -> None:
    hits = top_k(torch.zeros(10, 10), torch.arange(10), 5)
    assert hits.sum() == 5
