"""What the paper of the tamed cross entropy promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.trainables.losses.formulas import C, make, tce
from trainables.losses import make_loss


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 7.0])
def test_logit_gradient_is_cross_entropys_tamed_by_one_minus_log_q_to_the_minus_alpha(alpha: float) -> None:
    logits, targets = 3 * torch.randn(12, C, dtype=torch.float64), torch.arange(12) % C
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(make("tce", alpha=alpha)(logits, targets, reduction="none").sum(), logits)
    q = logits.detach().softmax(-1)
    log_q_y = logits.detach().log_softmax(-1).gather(1, targets[:, None])
    torch.testing.assert_close(gradient, (1 - log_q_y) ** -alpha * (q - F.one_hot(targets, C)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("offset", [1e-6, -1e-6])
def test_continuous_through_alpha_one_in_float32(offset: float) -> None:
    logits = (20 * torch.randn(12, C, generator=torch.Generator().manual_seed(0))).requires_grad_()
    targets = torch.arange(12) % C
    values, gradients = [], []
    for alpha in (1.0, 1.0 + offset):
        loss = make_loss("tce", num_classes=C, alpha=alpha)(logits, targets, reduction="none")
        values.append(loss.detach())
        gradients.append(torch.autograd.grad(loss.sum(), logits)[0])
    torch.testing.assert_close(values[0], values[1], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("alpha", [1.5, 2.0, 4.0])
def test_beyond_alpha_one_bounded_by_one_over_alpha_minus_one(alpha: float) -> None:
    loss = make_loss("tce", num_classes=2, alpha=alpha)
    worst = float(loss(torch.tensor([[1e30, -1e30]]), torch.tensor([1])))
    assert worst == pytest.approx(1 / (alpha - 1), rel=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_zero_where_the_network_is_right_and_sure(alpha: float) -> None:
    assert float(make_loss("tce", num_classes=2, alpha=alpha)(torch.tensor([[50.0, -50.0]]), torch.tensor([0]))) == 0


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5])
def test_keeps_its_digits_near_a_sure_right_answer_in_float32(alpha: float) -> None:
    logits, targets = torch.tensor([[9.0, -3.0]]), torch.tensor([0])
    nll = float(F.cross_entropy(logits, targets))  # 6e-6 with float32's own error; only the taming is judged
    loss = make_loss("tce", num_classes=2, alpha=alpha)
    assert float(loss(logits, targets)) == pytest.approx(tce(np.array([-nll]), 0, alpha), rel=1e-6)
