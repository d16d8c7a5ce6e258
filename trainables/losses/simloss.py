"""SimLoss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.losses.matrices import class_likeness, square_matrix
from trainables.losses.terms import LEAST, expected_probability, log_expected_probability


class SimLoss(Loss):
    """`-log(Σ_i S[y,i] q_i + eps)`: probability given to similar classes counts too.

    S lies in [0, 1] with unit diagonal: for `similarity` 'order' it is r^|i-j|; a ready `[C, C]` matrix of likenesses
    in [-1, 1], such as cosines of word vectors, is cut off at `l`: max(0, (likeness - l) / (1 - l)). `eps` (1e-8)
    caps the loss at -log eps, 18.4 where cross entropy goes on; S = I and eps = 0 is cross entropy.
    Kobs et al., ISMIS 2020, as their published code computes it; there is no equation at hand to cite.
    """

    likeness: Tensor
    eps: Tensor

    def __init__(self, num_classes: int, similarity: Any, r: float, l: float, eps: float) -> None:  # noqa: E741  (its own name)
        super().__init__(num_classes)
        self.hyperparameter("eps", eps)
        likeness = class_likeness(similarity, num_classes, r, l)
        self.cut_off = _cut_off(similarity, likeness, l)
        # Where eps is added, probabilities that underflow are lost in it anyway; without it only log space is exact.
        self.capped = eps >= LEAST
        self.structure = (self.capped,)
        self.hyperparameter("likeness", likeness if self.capped else likeness.log())

    def warnings(self) -> Sequence[str]:
        return self.cut_off

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        if not self.capped:
            log_sum = log_expected_probability(logits, targets, self.likeness)
            return -torch.logaddexp(log_sum, self.eps.log())
        return -(expected_probability(logits, targets, self.likeness) + self.eps).log()


def _cut_off(similarity: Any, likeness: Tensor, cut: float) -> Sequence[str]:
    """A sentence where nothing of a ready matrix exceeds `cut`, so that `likeness` `[C, C]` is the identity."""
    identity = torch.eye(len(likeness), dtype=likeness.dtype)
    if isinstance(similarity, str) or len(likeness) < 2 or not torch.equal(likeness, identity):
        return ()
    most = float((square_matrix("similarity", similarity, len(likeness)) - 2 * identity).max())
    return (
        f"no two classes are more alike than l = {cut:g}, {most:.3g} at most: the loss is cross entropy, capped; "
        "only a smaller l, or another similarity, makes it SimLoss",
    )
