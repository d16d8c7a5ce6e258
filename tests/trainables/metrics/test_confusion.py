"""The confusion matrix and what follows from it are scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score

from tests.trainables.metrics.cases import Case, for_any_case, make_case
from trainables.metrics.confusion import confusion, macro_f1


def counts_of(case: Case) -> torch.Tensor:
    return confusion(case.predicted, case.targets, case.classes)


@pytest.mark.filterwarnings("ignore:A single label was found")  # one class has a confusion matrix too
@for_any_case
def test_confusion_is_scikit_learns(case: Case) -> None:
    labels = range(case.classes)
    expected = case.each_prediction(lambda predicted, y: confusion_matrix(y, predicted, labels=labels))
    np.testing.assert_array_equal(counts_of(case), expected)


@for_any_case
def test_macro_f1_is_scikit_learns_with_absent_classes_left_out(case: Case) -> None:
    expected = case.each_prediction(lambda predicted, y: f1_score(y, predicted, average="macro", zero_division=0))
    np.testing.assert_allclose(macro_f1(counts_of(case)), expected, rtol=1e-6)


def test_confusions_of_batches_add_up() -> None:
    case = make_case(5)
    parts = [confusion(p, y, 10) for p, y in zip(case.predicted.split(64, 1), case.targets.split(64, 1), strict=True)]
    assert torch.equal(sum(parts), counts_of(case))
