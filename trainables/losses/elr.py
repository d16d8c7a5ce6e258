"""Early-learning regularisation (ELR)."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import negative_log_likelihood

CLAMP = 1e-4  # as in the authors' code: keeps 1 - <q, t> away from 0


class EarlyLearningRegularization(Loss):
    """`-log q_y + λ log(1 - Σ_i t_i q_i)`: holds the network to what it said of the sample before.

    t is a running mean of the sample's probabilities, t <- β t + (1-β) q, kept for all `num_samples` of the training
    set, which `indices` point into, and updated before it is used, in training mode only. q is clamped to
    [1e-4, 1 - 1e-4] in the regularisation, as in the authors' code. `lambda_ = 0` is cross entropy. The paper has
    λ = 3, β = 0.7 for CIFAR-10 and 7, 0.9 for CIFAR-100. Liu et al., NeurIPS 2020, eqs. 6 and 9.
    """

    memory = ("ensemble",)
    lambda_: Tensor
    beta: Tensor
    ensemble: Tensor

    def __init__(self, num_classes: int, num_samples: int, lambda_: float, beta: float) -> None:
        super().__init__(num_classes)
        self.hyperparameter("lambda_", lambda_)
        self.hyperparameter("beta", beta)
        self.hyperparameter("ensemble", torch.zeros(num_samples, num_classes))

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        if indices is None:
            raise ValueError("elr remembers every sample: call it with their indices in the training set")
        q = logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32)).clamp(CLAMP, 1 - CLAMP)
        remembered = self.ensemble.index_select(0, indices)
        if self.training:
            said = q.detach() / q.detach().sum(-1, keepdim=True)
            remembered = (self.beta * remembered + (1 - self.beta) * said).to(remembered.dtype)
            self.ensemble.index_put_((indices,), remembered)
            # Read back: a compiler may compute anew what the backward pass needs, from what is remembered by then.
            remembered = self.ensemble.index_select(0, indices)
        agreement = (remembered * q).sum(-1)
        return negative_log_likelihood(logits, targets) + self.lambda_ * torch.log1p(-agreement)
