"""How bad a wrong prediction is, by the order of the classes and by their superclasses; what wrong labels become."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, mean_squared_error

from tests.trainables.metrics.cases import Case, for_any_case
from trainables.metrics.memorisation import memorised, still_true
from trainables.metrics.order import absolute_error, squared_error
from trainables.metrics.superclasses import failed_superclass_accuracy, superclass_hits


@for_any_case
def test_mae_and_mse_of_the_predicted_index_are_scikit_learns(case: Case) -> None:
    mae, mse = (error(case.predicted, case.targets).double().mean(-1) for error in (absolute_error, squared_error))
    np.testing.assert_allclose(mae, case.each_prediction(lambda p, y: mean_absolute_error(y, p)))
    np.testing.assert_allclose(mse, case.each_prediction(lambda p, y: mean_squared_error(y, p)))


@for_any_case
def test_failed_superclass_accuracy_counts_the_wrong_predictions_alone(case: Case) -> None:
    groups = np.arange(case.classes) // 3

    def by_hand(predicted: np.ndarray, targets: np.ndarray) -> float:
        wrong = [i for i in range(len(targets)) if predicted[i] != targets[i]]
        return np.mean([groups[predicted[i]] == groups[targets[i]] for i in wrong]) if wrong else np.nan

    hits = superclass_hits(case.predicted, case.targets, torch.tensor(groups)).double().mean(-1)
    found = failed_superclass_accuracy(hits, (case.predicted == case.targets).double().mean(-1))
    np.testing.assert_allclose(found, case.each_prediction(by_hand), atol=1e-9)


def test_what_becomes_of_wrong_labels_on_a_crafted_case() -> None:
    clean = torch.tensor([0, 0, 1, 1, 2, 2])
    labels = torch.tensor([0, 1, 2, 1, 0, 1])  # the second, third, fifth and sixth are wrong
    predicted = torch.tensor([0, 1, 1, 0, 2, 0])  # learned, seen through, seen through, neither
    assert memorised(predicted, labels, clean) == pytest.approx(1 / 4)
    assert still_true(predicted, labels, clean) == pytest.approx(2 / 4)


def test_without_wrong_labels_there_is_no_share_of_them() -> None:
    labels = torch.tensor([[0, 1], [0, 0]])
    clean = torch.tensor([[0, 1], [0, 1]])
    assert memorised(labels, labels, clean).isnan().tolist() == [True, False]
    assert still_true(labels, labels, clean).isnan().tolist() == [True, False]
