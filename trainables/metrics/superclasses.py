"""Whether a prediction is at least of the right kind, where classes have superclasses. Kobs et al., SimLoss, 2020."""

from __future__ import annotations

from torch import Tensor


def superclass_hits(predicted: Tensor, targets: Tensor, superclasses: Tensor) -> Tensor:
    """Whether the predicted class has the label's superclass, `[.., M]`; `superclasses` `[C]` names that of each."""
    return superclasses[predicted] == superclasses[targets]


def failed_superclass_accuracy(superclass_accuracy: Tensor, accuracy: Tensor) -> Tensor:
    """Among the wrong predictions the share of the right superclass, `[..]`; NaN where none is wrong.

    A right class has the right superclass, so that the two accuracies `[..]` say it.
    """
    return (superclass_accuracy - accuracy) / (1 - accuracy)
