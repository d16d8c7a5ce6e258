"""Classification losses as PyTorch modules, one family per file.

    from trainables.losses import make_loss
    loss = make_loss("tce", num_classes=10, alpha=1.5)
    loss(logits, targets)          # logits [B, C], targets [B] -> mean over the batch

`families/` lists every family with its hyperparameters, their ranges and its paper, without importing torch;
`base.py` is the interface that a family implements. May import torch and numpy; never Ray, MLflow or the platform.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from trainables.losses.families import FAMILIES, get_family
from trainables.losses.families.own import own_class
from trainables.own import is_own

if TYPE_CHECKING:
    import torch

    from trainables.losses.base import Loss

__all__ = ["FAMILIES", "get_family", "make_loss"]


def make_loss(
    name: str,
    *,
    num_classes: int,
    num_samples: int | None = None,
    num_modules: int = 1,
    dtype: torch.dtype | None = None,
    **hyperparameters: Any,
) -> Loss:
    """The loss `name` for `num_classes` classes; hyperparameters left out take the family's defaults.

    `num_samples`, the size of the training set, is needed by families that remember every sample, and `num_modules`
    says how many modules' logits a family with attached modules gets; the others do not look at them. The loss's
    numbers are held in `dtype`, by default torch's default.
    Raises ValueError for an unknown family, an unknown hyperparameter or a value outside its range.
    """
    family = get_family(name)
    values = family.complete(hyperparameters)
    if family.needs_samples:
        if num_samples is None:
            raise ValueError(f"{family.name} remembers every training sample: say how many there are, num_samples=...")
        values["num_samples"] = num_samples
    if family.attaches_modules:
        values["num_modules"] = num_modules
    for given in ("num_samples", "num_modules"):
        if values.get(given, 1) < 1:
            raise ValueError(f"{given} = {values[given]} is less than 1")
    import torch

    if is_own(name):
        cls = own_class(name)
    else:
        cls = getattr(importlib.import_module(f"trainables.losses.{family.name}"), family.class_name)
    loss: Loss = cls(num_classes=num_classes, **values)
    return loss.to(dtype or torch.get_default_dtype())
