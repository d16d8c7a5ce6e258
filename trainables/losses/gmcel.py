"""Generalized MCEL: a learned mixture matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.matrices import target_similarity
from trainables.losses.terms import add_by_label, log_probabilities, matrix_cross_entropy, norms_tangent

SMALLEST = 1e-8  # a softmax never gives 0: classes without likeness start here


class GeneralizedMCEL(Loss):
    """`-Σ_i E[y,i] log q_i` with a learned mixture matrix E `[C, C]`, and penalties.

    Once per batch, `alpha Σ_i (Σ_j E_ij - 1)² + beta ‖E - 1‖_p^p + gamma ‖E‖_p^p + eta Σ_i ((C-1)(E_ii - c_i) -
    Σ_{j≠i} E_ij)²` is added. E starts at (1-ε) I + ε A (ours). `parameterisation` 'free' learns E itself, the
    paper's, 'simplex' a softmax for each row (ours; ε above 0). A free E with a negative entry has no lower bound,
    which the penalties must prevent, and either can collapse onto few classes, which `metrics` shows as the
    diagonal's margin. `margins` c: 'ours' is (C(1-ε)-1)/(C-1), which leaves the start unpenalised where rows sum to
    1, 'paper' (½-ε)/2, or one number for all classes. Without penalties E = I is cross entropy, (1-ε) I + ε A is
    MCEL. Negi, Chen and Mahoor, eqs. 8, 9 and 11; the paper sums over the set, here the mean over the batch. It
    gives no penalty weights. Their curvature is about 2 alpha C and 2 eta C²: 'ours', alpha = 10 / C and eta = 10 / C²,
    let the steps settle at any number of classes.
    """

    alpha: Tensor
    beta: Tensor
    gamma: Tensor
    eta: Tensor
    lead: Tensor  # (C-1) c
    loss_lr: Tensor
    mixture: Tensor

    def __init__(
        self,
        num_classes: int,
        epsilon: float,
        similarity: Any,
        alpha: str | float,
        beta: float,
        gamma: float,
        eta: str | float,
        p: float,
        margins: str | float,
        parameterisation: str,
        loss_lr: float,
    ) -> None:
        super().__init__(num_classes)
        self.p, self.parameterisation = float(p), parameterisation
        # A whole exponent as a number is a product, as a tensor a power: lanes with another p are another program.
        self.structure = (self.p, parameterisation)
        alpha = 10 / num_classes if isinstance(alpha, str) else alpha
        eta = 10 / num_classes**2 if isinstance(eta, str) else eta
        for name, value in {"alpha": alpha, "beta": beta, "gamma": gamma, "eta": eta, "loss_lr": loss_lr}.items():
            self.hyperparameter(name, value)
        self.hyperparameter("lead", (num_classes - 1) * _margin(margins, epsilon, num_classes))
        identity = torch.eye(num_classes, dtype=torch.float64)
        start = torch.lerp(identity, target_similarity(similarity, num_classes), epsilon)
        if parameterisation == "simplex":
            if epsilon == 0:
                raise ValueError("epsilon = 0 cannot be reached by a softmax; start above 0, or parameterisation free")
            start = start.clamp_min(SMALLEST).log()
        self.learned("mixture", start)

    @property
    def learning_rate(self) -> Tensor:
        return self.loss_lr

    def rows(self) -> Tensor:
        """The targets of all classes, E, `[C, C]`."""
        return self.mixture if self.parameterisation == "free" else self.mixture.softmax(-1)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return matrix_cross_entropy(logits, targets, self.rows())

    def batch_term(self, logits: Tensor, targets: Tensor) -> Tensor:
        rows = self.rows()
        slope, constant = self._penalties(rows.detach())
        return (slope * rows).sum() + constant

    def batch_loss(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        log_q = log_probabilities(logits)
        rows = self.rows().to(log_q.dtype)
        slope, constant = self._penalties(rows.detach())
        # The rows weigh the penalties' slope and, summed by label, the batch's log q: one [C, C] product for both.
        weighed = add_by_label(slope.mul_(-len(targets)), log_q, targets)
        return torch.sub(constant, (rows * weighed).sum(), alpha=1 / len(targets))

    def _penalties(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Slope `[C, C]` and constant of the penalties' tangent at `rows`: their sum is <slope, rows> + constant."""
        classes = self.num_classes
        slope, constant = norms_tangent(rows, 1, self.beta, self.gamma, self.p)
        sums, alpha, lead = rows.sum(-1), self.alpha, self.lead
        behind = torch.sub(sums, rows.diagonal(), alpha=classes)  # the eta term is the square of behind + lead
        excess, imbalance = alpha * sums - alpha, self.eta * (behind + lead)
        slope.add_((excess + imbalance).unsqueeze(-1), alpha=2).diagonal().sub_(imbalance, alpha=2 * classes)
        return slope, constant - torch.dot(excess, sums + 1) - torch.dot(imbalance, behind - lead)

    def margin(self) -> Tensor:
        """By how much the diagonal leads in the row where it leads least, 0-d; of a single class its entry."""
        rows = self.rows()
        others = rows - torch.diag_embed(torch.full_like(rows[0], torch.inf))
        lead = rows.diagonal() - others.amax(-1) if self.num_classes > 1 else rows.diagonal()
        return lead.amin()

    def metrics(self) -> dict[str, Tensor]:
        return {"diagonal_mean": self.rows().diagonal().mean(), "diagonal_margin": self.margin()}

    def arrays(self) -> dict[str, Tensor]:
        return {"mixture": self.rows()}

    def warnings(self) -> Sequence[str]:
        margin = float(self.margin().detach())
        if margin > 0:
            return []
        return [f"the learned mixture's diagonal leads by {margin:.3g}: some class's own label no longer leads its row"]


def _margin(margins: str | float, epsilon: float, num_classes: int) -> float:
    """The margin c of every class."""
    if margins == "paper":
        return (0.5 - epsilon) / 2
    if margins == "ours":
        return (num_classes * (1 - epsilon) - 1) / max(num_classes - 1, 1)
    return float(margins)
