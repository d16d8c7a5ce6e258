"""Jensen-Shannon divergence (JS)."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import doubt, negative_log_likelihood


class JensenShannon(Loss):
    """`(H(m) - (1-π) H(q)) / -((1-π) log(1-π))` with m = π onehot + (1-π) q: a bounded, nearly symmetric divergence.

    H is the entropy; the label's own is 0. `pi` in (0, 1) is the label's weight: as it goes to 0 the loss tends to
    cross entropy, as it goes to 1 to half the absolute error. Englesson and Azizpour, NeurIPS 2021, section 3.
    In single precision the gradient loses digits as `pi` falls: relative errors of 7e-6 at 1e-3, 6e-5 at 1e-4, half a
    percent at 1e-6.

    Only the label's coordinate matters: away from it m is a multiple of q, so that the divergence is
    `-π log m_y + (1-π) (q_y (log q_y - log m_y) - (1 - q_y) log(1-π))`.
    """

    pi: Tensor

    def __init__(self, num_classes: int, pi: float) -> None:
        super().__init__(num_classes)
        self.hyperparameter("pi", pi)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        pi, rest, log_rest = self.pi, 1 - self.pi, torch.log1p(-self.pi)
        nll = negative_log_likelihood(logits, targets)
        q, not_q = torch.exp(-nll), doubt(nll)
        log_m = torch.log(q + pi * not_q)
        divergence = rest * (-q * (nll + log_m) - not_q * log_rest) - pi * log_m
        return divergence / -(rest * log_rest)
