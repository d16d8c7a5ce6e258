"""Label smoothing."""

from __future__ import annotations

from torch import Tensor

from trainables.losses.base import Loss, negative_log_likelihood


class LabelSmoothing(Loss):
    """`-(1-ε) log q_y - (ε/C) Σ_i log q_i`: the target is mixed with the uniform distribution.

    `epsilon` in [0, 1), 0.1 is customary; `epsilon = 0` is cross entropy. Szegedy et al., 2016; Negi, Chen and
    Mahoor, eq. 2. With a uniform similarity, MCEL at ε equals label smoothing at ε C / (C - 1).
    """

    epsilon: Tensor

    def __init__(self, num_classes: int, epsilon: float) -> None:
        super().__init__(num_classes)
        self.hyperparameter("epsilon", epsilon)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        log_probs = logits.log_softmax(-1)
        nll = negative_log_likelihood(log_probs, targets)
        return (1 - self.epsilon) * nll - self.epsilon * log_probs.mean(-1)
