"""ECE, against a slow reference written from Guo et al.'s equation 3."""

from __future__ import annotations

import numpy as np
import torch

from tests.trainables.metrics.cases import Case, for_any_case, make_case
from trainables.metrics.calibration import BINS, calibration_bins, expected_calibration_error


def ece_by_hand(confidence: np.ndarray, hits: np.ndarray) -> float:
    error = 0.0
    for m in range(1, BINS + 1):
        inside = [i for i, c in enumerate(confidence) if (m - 1) / BINS < c <= m / BINS]
        if inside:
            error += len(inside) / len(confidence) * abs(hits[inside].mean() - confidence[inside].mean())
    return error


def ece_of(case: Case) -> torch.Tensor:
    return expected_calibration_error(calibration_bins(case.probabilities.amax(-1), case.predicted == case.targets))


@for_any_case
def test_ece_is_guos_equation_3(case: Case) -> None:
    confidence, hits = case.probabilities.amax(-1).numpy(), (case.predicted == case.targets).numpy()
    expected = [ece_by_hand(c.clip(max=1), h) for c, h in zip(confidence, hits, strict=True)]
    np.testing.assert_allclose(ece_of(case), expected, atol=1e-9)


def test_empty_bins_add_nothing() -> None:
    bins = calibration_bins(torch.full((4,), 0.75), torch.tensor([True, True, True, False]))
    assert bins.nonzero().tolist() == [[0, 11], [1, 11], [2, 11]]
    assert bins[:, 11].tolist() == [4, 3, 3]
    assert expected_calibration_error(bins) == 0


def test_certainty_that_is_wrong_costs_all() -> None:
    bins = calibration_bins(torch.ones(3), torch.zeros(3, dtype=torch.bool))
    assert bins[:, -1].tolist() == [3, 3, 0]
    assert expected_calibration_error(bins) == 1


def test_every_image_is_in_one_bin_whatever_the_labels_axes() -> None:
    case = make_case(5)
    labels = torch.stack([case.targets, case.predicted])
    bins = calibration_bins(case.probabilities.amax(-1), case.predicted == labels)
    assert bins.shape == (2, 3, 3, BINS)
    assert bool((bins[:, :, 0].sum(-1) == 200).all())
    assert torch.equal(bins[1, :, 2], bins[1, :, 0])  # all right


def test_one_class_is_always_calibrated() -> None:
    assert ece_of(make_case(6, classes=1)).tolist() == [0, 0, 0]


def test_a_border_belongs_to_the_bin_below() -> None:
    for single in (torch.float32, torch.float64):
        borders = torch.tensor([3, 6, 9, 12], dtype=single) / BINS
        found = calibration_bins(borders, torch.ones(4, dtype=torch.bool))[0].nonzero().flatten()
        assert found.tolist() == [2, 5, 8, 11]


def test_bins_of_batches_add_up() -> None:
    case = make_case(7)
    confidence, hits = case.probabilities.amax(-1), case.predicted == case.targets
    parts = [calibration_bins(c, h) for c, h in zip(confidence.split(64, 1), hits.split(64, 1), strict=True)]
    torch.testing.assert_close(sum(parts), calibration_bins(confidence, hits))


def test_no_number_stays_no_number_in_its_lane_alone() -> None:
    confidence = torch.tensor([[0.5, 0.9], [0.5, torch.nan]])
    error = expected_calibration_error(calibration_bins(confidence, torch.ones(2, 2, dtype=torch.bool)))
    assert error.isnan().tolist() == [False, True]
