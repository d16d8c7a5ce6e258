"""The terms that several losses are made of, each accurate where the network is very sure, right or wrong."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = 1e-30  # a sum of probabilities that cannot fall below it keeps its digits in single precision


def negative_log_likelihood(logits: Tensor, targets: Tensor) -> Tensor:
    """-log q_y, `[B]`, in at least single precision."""
    # Autocast computes cross entropy in single precision and would hand back half where the logits are half already.
    return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), targets, reduction="none")


def matrix_cross_entropy(logits: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
    """-sum_i rows[y, i] log q_i, `[B]`, with a row of `rows` `[C, C]` for every label."""
    # index_select, because the backward pass of plain indexing costs more than the softmax.
    return -(rows.index_select(0, targets) * log_probabilities(logits)).sum(-1)


def log_probabilities(logits: Tensor) -> Tensor:
    """log q, `[B, C]`, in at least single precision."""
    return logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def add_by_label(sums: Tensor, values: Tensor, targets: Tensor) -> Tensor:
    """Add the rows of `values` `[B, C]` to the rows of `sums` `[C, C]` that their labels name, in place."""
    # scatter_add_, because index_add_ goes from lane to lane under vmap; on one lane they are equally fast.
    return sums.scatter_add_(0, targets.unsqueeze(-1).expand_as(values), values)


def normalised_cross_entropy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """log q_y / sum_i log q_i, `[B]`, in [0, 1], and -log q_y, `[B]`. Ma et al., ICML 2020, section 3.1.

    0 where there is one class only.
    """
    log_q = log_probabilities(logits)
    nll, total = -log_q.gather(-1, targets.unsqueeze(-1)).squeeze(-1), -log_q.sum(-1)
    return nll / total.clamp_min(torch.finfo(total.dtype).tiny), nll


def doubt(nll: Tensor) -> Tensor:
    """1 - q_y from -log q_y, with all its digits where q_y is near 1."""
    return -torch.expm1(-nll)


def power_integral(x: Tensor, exponent: Tensor) -> Tensor:
    """(exp(exponent * x) - 1) / exponent for x >= 0, with its limit x at exponent 0; `exponent` is 0-d."""
    # expm1, because the power minus one loses all digits near 0. In the branch that is not taken the exponent is -1:
    # 0/0 or an overflow there would be NaN in the gradient.
    at_zero = exponent == 0
    safe = torch.where(at_zero, -torch.ones_like(exponent), exponent)
    return torch.where(at_zero, x, torch.expm1(safe * x) / safe)


def expected_probability(logits: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
    """sum_i rows[y, i] q_i, `[B]`: what underflows in it is lost, at half the price of log space."""
    q = logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return (rows.index_select(0, targets) * q).sum(-1)


def log_expected_probability(logits: Tensor, targets: Tensor, log_rows: Tensor) -> Tensor:
    """log sum_i exp(log_rows[y, i]) q_i, `[B]`, in log space; every row has a finite entry, the others may be -inf."""
    summands = log_rows.index_select(0, targets) + log_probabilities(logits)
    largest = summands.detach().amax(-1, keepdim=True)
    return (summands - largest).exp().sum(-1).log() + largest.squeeze(-1)  # torch.logsumexp takes twice as long


def norms_tangent(x: Tensor, far: float, beta: Tensor, gamma: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """Slope and constant of the tangent at x of `beta ‖x - far‖_p^p + gamma ‖x‖_p^p`; at a kink the slope is 0.

    <slope, x> + constant has the norms' value and gradient, for a fraction of autograd's price; no second derivative.
    """
    if p == 2:  # one parabola; numbers go into `alpha`, because a number as an operand costs twice an operation
        both = beta + gamma
        slope = torch.sub((both + both) * x, beta, alpha=2 * far)
        return slope, torch.add(both * -x.square().sum(), beta, alpha=far**2 * x.numel())
    near = x - far
    from_far, from_zero = (
        weight * gap.sign() * gap.abs().pow(p - 1) for weight, gap in ((p * beta, near), (p * gamma, x))
    )
    slope = from_far + from_zero
    return slope, ((from_far * near + from_zero * x) / p - slope * x).sum()
