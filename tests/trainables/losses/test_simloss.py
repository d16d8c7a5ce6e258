"""What our notes say of SimLoss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.trainables.losses.formulas import C, make, random_likeness


def logits_with(q_y: float) -> torch.Tensor:
    """Two classes, the first with log probability near `q_y`."""
    return torch.tensor([[q_y, 0.0]], dtype=torch.float64)


def test_eps_caps_the_loss_at_18_where_cross_entropy_gives_30() -> None:
    logits, targets = logits_with(-30.0), torch.tensor([0])
    assert float(make("ce", 2)(logits, targets)) == pytest.approx(30, abs=1e-6)
    assert float(make("simloss", 2, r=0.0)(logits, targets)) == pytest.approx(18.42, abs=0.01)


def test_without_eps_it_is_exact_far_beyond_what_probabilities_can_hold() -> None:
    logits = torch.tensor([[-2000.0, -1000.0, 0.0]], dtype=torch.float64)
    loss = make("simloss", 3, similarity=[[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]], eps=0.0)
    assert float(loss(logits, torch.tensor([0]))) == pytest.approx(1000 + math.log(2), abs=1e-9)


def test_order_gives_neighbours_more_credit() -> None:
    logits = 5 * torch.eye(C, dtype=torch.float64)  # sure of class 0, 1, ...
    losses = make("simloss", r=0.5)(logits, torch.zeros(C, dtype=torch.long), reduction="none")
    assert losses.tolist() == sorted(losses.tolist())
    assert len(set(losses.tolist())) == C


def test_likeness_up_to_l_counts_as_none() -> None:
    likeness = np.array([[1, 0.4, -1], [0.4, 1, 0.6], [-1, 0.6, 1]])
    kept = make("simloss", 3, similarity=likeness, l=0.5)
    expected = np.array([[1, 0, 0], [0, 1, 0.2], [0, 0.2, 1]])
    np.testing.assert_allclose(dict(kept.named_buffers())["likeness"], expected, atol=1e-15)


@pytest.mark.parametrize(("bound", "said"), [(0.5, 0), (0.6, 1), (0.9, 1)])
def test_it_says_that_it_is_cross_entropy_where_no_likeness_exceeds_l(bound: float, said: int) -> None:
    likeness = np.array([[1, 0.4, -1], [0.4, 1, 0.6], [-1, 0.6, 1]])
    warned = make("simloss", 3, similarity=likeness, l=bound).warnings()
    assert len(warned) == said
    assert all(f"than l = {bound:g}, 0.6 at most: the loss is cross entropy" in sentence for sentence in warned)


def test_the_order_without_credit_for_neighbours_is_meant_so_and_not_warned_of() -> None:
    assert not make("simloss", r=0.0).warnings()


def test_rows_of_a_likeness_that_is_not_symmetric_are_the_labels() -> None:
    likeness = random_likeness(C)
    logits = torch.randn(1, C, dtype=torch.float64)
    q = logits.softmax(-1)[0].numpy()
    loss = make("simloss", similarity=likeness)(logits, torch.tensor([3]))
    assert float(loss) == pytest.approx(-math.log(np.maximum(likeness[3], 0) @ q + 1e-8), rel=1e-12)
