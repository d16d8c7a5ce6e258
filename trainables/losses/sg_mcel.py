"""Semi-generalized MCEL: one learned share per class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.matrices import target_similarity
from trainables.losses.terms import add_by_label, log_probabilities, matrix_cross_entropy, norms_tangent

SENSIBLE = (-0.1, 0.6)  # a free share that leaves this interval has run away from [0, 0.5]


class SemiGeneralizedMCEL(Loss):
    """MCEL with a learned share e_i for every class: `-(1-e_y) log q_y - e_y Σ_i A[y,i] log q_i` and penalties.

    Once per batch, `alpha Σ_i (‖p_i‖_1 - 1)² + beta ‖e - ½‖_p^p + gamma ‖e‖_p^p` is added, where p_i is the target
    of class i; the alpha term is zero for e_i in [0, 1]. `parameterisation` 'free' learns e itself, the paper's,
    which is unbounded below unless the penalties hold it; 'bounded' learns e = sigmoid(.) / 2 (ours; its start lies
    above 0). e starts at `epsilon` (ours: 0.1) and is learned with the learning rate `loss_lr`. With all penalties
    0, e_i = ε is MCEL and e = 0 cross entropy. Negi, Chen and Mahoor, eqs. 6 and 10; the paper sums over the set,
    here the mean over the batch. It gives no penalty weights: the defaults are ours.
    """

    identity: Tensor
    exchange: Tensor  # A - I: what a share takes from the diagonal and gives to the other classes
    alpha: Tensor
    beta: Tensor
    gamma: Tensor
    loss_lr: Tensor
    epsilon: Tensor

    def __init__(
        self,
        num_classes: int,
        epsilon: float,
        similarity: Any,
        alpha: float,
        beta: float,
        gamma: float,
        p: float,
        parameterisation: str,
        loss_lr: float,
    ) -> None:
        super().__init__(num_classes)
        self.p, self.parameterisation = float(p), parameterisation
        # A whole exponent as a number is a product, as a tensor a power: lanes with another p are another program.
        self.structure = (self.p, parameterisation)
        for name, value in {"alpha": alpha, "beta": beta, "gamma": gamma, "loss_lr": loss_lr}.items():
            self.hyperparameter(name, value)
        identity = torch.eye(num_classes, dtype=torch.float64)
        self.hyperparameter("identity", identity)
        self.hyperparameter("exchange", target_similarity(similarity, num_classes) - identity)
        start = torch.full((num_classes,), epsilon, dtype=torch.float64)
        if parameterisation == "bounded":
            if epsilon == 0:
                raise ValueError("epsilon = 0 cannot be reached by a sigmoid; start above 0, or parameterisation free")
            start = torch.logit(2 * start)
        self.learned("epsilon", start)

    @property
    def learning_rate(self) -> Tensor:
        return self.loss_lr

    def shares(self) -> Tensor:
        """The share e_i of each class, `[C]`."""
        return self.epsilon if self.parameterisation == "free" else self.epsilon.sigmoid() / 2

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        rows = torch.addcmul(self.identity, self.shares().unsqueeze(-1), self.exchange)
        return matrix_cross_entropy(logits, targets, rows)

    def batch_term(self, logits: Tensor, targets: Tensor) -> Tensor:
        shares = self.shares()
        slope, constant = self._penalties(shares.detach())
        return torch.dot(slope, shares) + constant

    def batch_loss(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        log_q, weight = log_probabilities(logits), 1 / len(targets)
        shares = self.shares().to(log_q.dtype)
        sums = add_by_label(log_q.new_zeros(self.num_classes, self.num_classes), log_q, targets)
        now, exchange = shares.detach(), self.exchange
        slope, constant = self._penalties(now)
        # The rows carry the data term's value and its gradient by the logits; that by the shares is another slope.
        exchanged = (exchange * sums.detach()).sum(-1)
        slope.sub_(exchanged, alpha=weight)
        constant.add_(torch.dot(exchanged, now), alpha=weight)
        rows = torch.addcmul(self.identity, now.unsqueeze(-1), exchange)
        return torch.sub(torch.dot(slope, shares) + constant, (rows * sums).sum(), alpha=weight)

    def _penalties(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Slope `[C]` and constant of the penalties' tangent at `shares`: their sum is <slope, shares> + constant."""
        slope, constant = norms_tangent(shares, 0.5, self.beta, self.gamma, self.p)
        if self.parameterisation == "bounded":  # a bounded share never leaves [0, 1], where the alpha term is zero
            return slope, constant
        outside = shares - shares.clamp(0, 1)  # ‖p_i‖_1 - 1 is twice its size, as A's rows sum to 1
        pull = self.alpha * outside
        below = torch.dot(pull, torch.sub(outside, shares, alpha=2))
        return slope.add_(pull, alpha=8), constant.add_(below, alpha=4)

    def metrics(self) -> dict[str, Tensor]:
        e = self.shares()
        return {"epsilon_mean": e.mean(), "epsilon_min": e.amin(), "epsilon_max": e.amax()}

    def arrays(self) -> dict[str, Tensor]:
        return {"epsilon": self.shares()}

    def warnings(self) -> Sequence[str]:
        low, high = SENSIBLE
        away = {number: e for number, e in enumerate(self.shares().tolist()) if not low <= e <= high}
        if not away:
            return []
        number, e = max(away.items(), key=lambda item: abs(item[1] - 0.25))
        return [
            f"the learned epsilon of {len(away)} of {self.num_classes} classes is outside [{low}, {high}], {e:.3g} for "
            f"class {number}: larger beta and gamma, or the bounded parameterisation, hold it"
        ]
