"""What the baselines' papers promise: limits, bounds, symmetry, matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.trainables.losses.formulas import C, make
from trainables.losses.matrices import balanced_matrix
from trainables.losses.properties import measure_properties


def draw(scale: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    logits = scale * torch.randn(12, C, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return logits, torch.arange(12) % C


@pytest.mark.parametrize(
    ("family", "setting"), [("gce", {"q": 1.0}), ("taylor_ce", {"order": 1}), ("js", {"pi": 1 - 1e-9})]
)
def test_half_the_absolute_error_at_the_other_end(family: str, setting: dict[str, Any]) -> None:
    logits, targets = draw()
    loss, mae = make(family, **setting)(logits, targets), make("mae")(logits, targets)
    tolerance = 0.06 if family == "js" else 1e-14  # JS comes near as 1 / -log(1-π)
    torch.testing.assert_close(loss, mae / 2, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("js", [{"pi": pi} for pi in (1e-1, 1e-3, 1e-7)]),
        ("taylor_ce", [{"order": order} for order in (2, 10, 100)]),
        ("gce", [{"q": q} for q in (1e-1, 1e-3, 1e-7)]),
    ],
)
def test_nearer_and_nearer_to_cross_entropy_in_the_limit(family: str, settings: list[dict[str, float]]) -> None:
    logits, targets = draw(0.5)
    ce = float(make("ce")(logits, targets))
    gaps = [abs(float(make(family, **setting)(logits, targets)) - ce) for setting in settings]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-4


def test_balanced_matrix_gives_the_smallest_class_weight_one() -> None:
    np.testing.assert_allclose(balanced_matrix([20, 10, 40]).diagonal(), [0.5, 1, 0.25])
    assert float(balanced_matrix([20, 10, 40]).sum()) == 1.75
    logits, targets = draw()
    weights = balanced_matrix([5, 1, 2, 3, 4])
    ours = make("infogain", matrix=weights)(logits, targets, reduction="none")
    expected = weights.diagonal()[targets] * make("ce")(logits, targets, reduction="none")
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("family", "setting", "symmetric", "bound"),
    [
        ("ce", {}, False, None),
        ("label_smoothing", {}, False, None),
        ("tce", {"alpha": 1.0}, False, None),
        ("tce", {"alpha": 1.5}, False, 2.0),
        ("tce", {"alpha": 0.9}, False, None),
        ("mse", {}, False, 2.0),
        ("mae", {}, True, 2.0),
        ("simloss", {"r": 0.0}, False, 18.42),
        ("simloss", {"r": 0.5, "eps": 0.0}, False, 2.772589),
        ("gce", {"q": 0.5}, False, 2.0),
        ("gce", {"q": 1.0}, True, 1.0),
        ("sce", {"alpha": 0.0}, True, 4.0),
        ("sce", {}, False, None),
        ("focal", {}, False, None),
        ("nce_rce", {}, True, 5.0),
        ("nce_mae", {}, True, 3.0),
        ("taylor_ce", {"order": 2}, False, 1.5),
        ("js", {}, False, 2.0),
        ("forward", {"transition": "identity"}, False, None),
        ("forward", {"transition": 0.5 * np.eye(C) + 0.5 / C}, False, 2.302585),
        ("elr", {}, False, None),
        ("msl", {}, False, None),
    ],
)
def test_symmetry_and_boundedness_are_computed(
    family: str, setting: dict[str, Any], symmetric: bool, bound: float | None
) -> None:
    found = measure_properties(make(family, **setting))
    assert found.symmetric == symmetric
    assert found.bounded == (bound is not None)
    assert found.largest == pytest.approx(bound or np.inf, rel=1e-3)
