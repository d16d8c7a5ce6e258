"""Mixture separability loss (MSL)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.terms import negative_log_likelihood
from trainables.losses.within_class import within_class_loss


class MixtureSeparability(Loss):
    """`-log q_y`, and once per batch `Σ_j max(0, d_j - ξ)²`: samples of a class are drawn together.

    d_j is the mean distance of the logits of class j's samples in the batch, over unordered pairs; `distance` is
    'euclidean', as the text says, or 'l1', as eq. 3 is printed. Logits are one `[B, C]`, or a list with one for each of
    `num_modules` attached modules, the last of which predicts: the loss is the mean over the modules, each with a ξ of
    its own. Cross entropy where every class has one image in the batch. Do, Jin, Nguyen and Kim, eqs. 1 and 3 to 6.

    ξ starts at `xi`. The mean of the within-class loss over `patience` iterations is compared with that over the
    `patience` before: a relative change of at most `tolerance` multiplies ξ by `xi_decay`, but not below `xi_floor`
    (ours: a loss of 0 never changes, and is no reason to lower ξ without end). Iterations without a pair do not
    count. In float16 the distances of logits beyond some thousands have no finite gradient. `modules` names the blocks
    that carry a module: a matter of the network, which the loss does not look at.
    """

    memory = ("xi", "window_sum", "window_count", "window_before")
    xi: Tensor
    window_sum: Tensor
    window_count: Tensor
    window_before: Tensor  # -1 until a window is full
    xi_decay: Tensor
    patience: Tensor
    tolerance: Tensor
    xi_floor: Tensor

    def __init__(
        self,
        num_classes: int,
        xi: float,
        xi_decay: float,
        patience: int,
        tolerance: float,
        xi_floor: float,
        distance: str,
        modules: str | Sequence[str],
        num_modules: int = 1,
    ) -> None:
        super().__init__(num_classes)
        self.num_modules = num_modules
        self.p = {"euclidean": 2.0, "l1": 1.0}[distance]
        self.structure = (num_modules, self.p)
        lowest = min(xi_floor, xi)  # ξ never rises
        fixed = {"xi_decay": xi_decay, "patience": patience, "tolerance": tolerance, "xi_floor": lowest}
        for name, value in fixed.items():
            self.hyperparameter(name, value)
        for name, start in {"xi": xi, "window_sum": 0, "window_count": 0, "window_before": -1}.items():
            self.hyperparameter(name, torch.full((num_modules,), start, dtype=torch.float64))

    def per_sample(self, logits: Tensor | Sequence[Tensor], targets: Tensor, indices: Tensor | None) -> Tensor:
        if isinstance(logits, Tensor):
            return negative_log_likelihood(logits, targets)
        return torch.stack([negative_log_likelihood(module, targets) for module in logits]).mean(0)

    def batch_term(self, logits: Tensor | Sequence[Tensor], targets: Tensor) -> Tensor:
        return self._within(*self._rows(logits, targets))

    def batch_loss(self, logits: Tensor | Sequence[Tensor], targets: Tensor, indices: Tensor | None) -> Tensor:
        rows, labels = self._rows(logits, targets)
        return F.cross_entropy(rows, labels) + self._within(rows, labels)

    def metrics(self) -> dict[str, Tensor]:
        return {"xi_mean": self.xi.mean()}

    def _rows(self, logits: Tensor | Sequence[Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """All modules' logits, module after module, `[M * B, C]`, in at least single precision, and their targets."""
        modules = (logits,) if isinstance(logits, Tensor) else tuple(logits)
        if len(modules) != self.num_modules:
            raise ValueError(f"logits of {len(modules)} modules; the loss was made with num_modules={self.num_modules}")
        rows = modules[0] if len(modules) == 1 else torch.cat(modules)
        labels = targets if len(modules) == 1 else targets.repeat(len(modules))
        return rows.to(torch.promote_types(rows.dtype, torch.float32)), labels

    def _within(self, rows: Tensor, labels: Tensor) -> Tensor:
        state = (self.xi, self.window_sum, self.window_count, self.window_before)
        settings = (self.patience, self.tolerance, self.xi_decay, self.xi_floor)
        within = within_class_loss(rows, labels, state, settings, self.p, self.training)
        return within / self.num_modules if self.num_modules > 1 else within
