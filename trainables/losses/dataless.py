"""Losses where there is no data: to look at, to measure, to compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from trainables.losses import get_family, make_loss
from trainables.losses.base import Loss
from trainables.losses.families import Matrix, Similarity

NUM_SAMPLES = 4096  # that a loss with a memory remembers


def dataless_loss(
    name: str, num_classes: int, settings: Mapping[str, Any] | None = None, *, num_modules: int = 1
) -> Loss:
    """The loss `name` in double precision; what would be fitted to data knows nothing instead.

    A similarity is uniform, or for a loss that takes likenesses one half between all classes; infogain's and forward's
    matrices are the identity. Raises ValueError as `make_loss` does.
    """
    family, values = get_family(name), dict(settings or {})
    for key, kind in family.hyperparameters.items():
        value = values.get(key, kind.default)
        if isinstance(kind, Similarity) and isinstance(value, str | Mapping):
            if kind.raw and value != "order":
                values[key] = (torch.eye(num_classes) + 1) / 2
            elif not kind.raw:
                values[key] = "uniform"
        elif isinstance(kind, Matrix) and value in ("balanced", "true"):
            values[key] = "identity"
    return make_loss(
        name, num_classes=num_classes, num_samples=NUM_SAMPLES, num_modules=num_modules, dtype=torch.float64, **values
    )
