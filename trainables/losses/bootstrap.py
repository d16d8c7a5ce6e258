"""Bootstrapping."""

from __future__ import annotations

from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import log_probabilities


class Bootstrap(Loss):
    """`-β log q_y - (1-β) Σ_i t_i log q_i`: the target is mixed with what the network says itself.

    `mode` 'soft' takes its probabilities, t = q, through which the gradient flows too, 'hard' its answer, the class
    with the largest probability. `beta` in [0, 1], 0.95 (soft) or 0.8 (hard) in the paper; `beta = 1` is cross
    entropy. Reed et al., ICLR workshop 2015, eqs. 6 and 7.
    """

    beta: Tensor

    def __init__(self, num_classes: int, beta: float, mode: str) -> None:
        super().__init__(num_classes)
        self.hyperparameter("beta", beta)
        self.mode = mode
        self.structure = (mode,)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        log_q = log_probabilities(logits)
        own = -log_q.amax(-1) if self.mode == "hard" else -(log_q.exp() * log_q).sum(-1)
        nll = -log_q.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        return self.beta * nll + (1 - self.beta) * own
