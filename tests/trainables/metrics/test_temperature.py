"""Temperature scaling: the fitted temperature is the one of least NLL, and each half is judged by the other's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from tests.trainables.metrics.cases import Case, for_any_case, make_case
from trainables.metrics.temperature import (
    HOTTEST,
    common_temperature,
    fit_log_temperatures,
    in_pairs,
    scaled_confidence,
)

TOLERANCE = np.log(HOTTEST) / 2**12


def least_nll(logits: np.ndarray, targets: np.ndarray) -> float:
    """log T of least NLL, by scipy."""

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(targets)), targets].mean())

    return float(minimize_scalar(loss, bounds=(-np.log(HOTTEST), np.log(HOTTEST)), options={"xatol": 1e-9}).x)


def fit(case: Case, batch: int = 1000) -> torch.Tensor:
    parts = zip(case.logits.split(batch, 1), case.targets.split(batch, 1), strict=True)
    return fit_log_temperatures([in_pairs(logits, targets) for logits, targets in parts])


@pytest.mark.parametrize("scale", [0.5, 2.0, 8.0])
@pytest.mark.parametrize("classes", [2, 10])
def test_each_half_gets_the_temperature_of_least_nll(scale: float, classes: int) -> None:
    case = make_case(8, images=301, classes=classes, scale=scale)
    halves = [case.each(lambda z, y, h=h: least_nll(z[h::2], y[h::2])) for h in (0, 1)]
    np.testing.assert_allclose(fit(case), np.stack(halves, axis=1), atol=2 * TOLERANCE)


@for_any_case
def test_temperatures_of_any_shape_lie_between_the_bounds(case: Case) -> None:
    found = common_temperature(fit(case))
    assert found.shape == case.targets.shape[:1]
    assert bool(((found > 1 / HOTTEST) & (found < HOTTEST)).all())


def test_batches_of_even_size_are_fitted_as_one() -> None:
    case = make_case(9, images=100)
    torch.testing.assert_close(fit(case, batch=32), fit(case), rtol=0, atol=2 * TOLERANCE)


def test_a_network_twice_too_sure_has_temperature_2() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 40_000, 5, generator=generator, dtype=torch.float64)
    targets = torch.multinomial(logits[0].softmax(-1), 1, generator=generator).T
    assert common_temperature(fit(Case(2 * logits, targets))).item() == pytest.approx(2, rel=0.05)


def test_each_half_is_scaled_by_the_others_temperature() -> None:
    case = make_case(10, lanes=1, images=7)
    logs = torch.log(torch.tensor([[2.0, 5.0]], dtype=torch.float64))
    found = scaled_confidence(in_pairs(case.logits, case.targets)[0], logs, 7)
    expected = [(case.logits[0, i] / (5, 2)[i % 2]).softmax(-1).max() for i in range(7)]
    torch.testing.assert_close(found[0], torch.stack(expected))


def test_labels_of_one_half_do_not_touch_its_own_scaling() -> None:
    case = make_case(11, lanes=1)
    others = case.targets.clone()
    others[:, 0::2] = (others[:, 0::2] + 1) % 10
    before, after = fit(case), fit(Case(case.logits, others))
    assert before[0, 0] != after[0, 0]
    assert before[0, 1] == after[0, 1]


def test_where_nothing_is_to_gain_the_temperature_is_1_and_where_all_is_right_at_its_bound() -> None:
    same = Case(torch.full((1, 6, 4), 3.0, dtype=torch.float64), torch.zeros(1, 6, dtype=torch.long))
    assert common_temperature(fit(same)).item() == 1
    right = make_case(12, lanes=1)
    assert common_temperature(fit(Case(right.logits, right.predicted))).item() == pytest.approx(1 / HOTTEST, rel=1e-2)
    lone = make_case(13, images=1)
    assert fit(lone)[:, 1].tolist() == [0, 0, 0]  # no image in the other half


def test_no_number_stays_no_number_in_its_lane_alone() -> None:
    case = make_case(14)
    case.logits[1, 5, 3] = torch.nan
    assert common_temperature(fit(case)).isnan().tolist() == [False, True, False]
