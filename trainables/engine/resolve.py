"""A trial's loss: hyperparameters given by name become the arrays that they stand for on the trial's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.data.task import TaskData
from trainables.engine.network import make_network, num_modules
from trainables.losses import get_family, make_loss
from trainables.losses.base import Loss
from trainables.similarity import SIMILARITIES


def trial_loss(described: Mapping[str, Any], model: Mapping[str, Any], data: TaskData) -> Loss:
    """The loss that a trial's part `loss` describes, made for its data and its network, in double precision.

    Raises ValueError for an unknown family or hyperparameter, and for a value outside its range.
    """
    values = dict(described)
    family = get_family(values.pop("family"))
    values = family.complete(values)
    values = {name: RESOLVERS[name](value, data) if name in RESOLVERS else value for name, value in values.items()}
    shape, classes = data.pool.image_shape, data.pool.num_classes
    if getattr(family, "needs_samples", False):
        values["num_samples"] = len(data.train_index)
    if getattr(family, "attaches_modules", False):
        network = make_network(model, values["modules"], image_shape=shape, num_classes=classes, seed=0)
        values["num_modules"] = num_modules(network, shape)
    return make_loss(family.name, num_classes=classes, dtype=torch.float64, **values)


def trial_modules(described: Mapping[str, Any]) -> str | Sequence[str] | None:
    """The blocks at which a trial's loss wants modules of its own; None for a loss that takes the network's alone."""
    values = dict(described)
    family = get_family(values.pop("family"))
    modules: str | Sequence[str] | None = family.complete(values).get("modules")
    return modules if getattr(family, "attaches_modules", False) else None


def _similarity(value: Any, data: TaskData) -> Any:
    name = value.get("name") if isinstance(value, Mapping) else value
    return torch.tensor(data.similarity(value)) if isinstance(name, str) and name in SIMILARITIES else value


def _matrix(value: Any, data: TaskData) -> Any:
    return balanced_matrix(class_counts(data)) if isinstance(value, str) and value == "balanced" else value


def _transition(value: Any, data: TaskData) -> Any:
    return true_transition(data) if isinstance(value, str) and value == "true" else value


RESOLVERS: dict[str, Callable[[Any, TaskData], Any]] = {
    "similarity": _similarity,
    "matrix": _matrix,
    "transition": _transition,
}


def class_counts(data: TaskData) -> np.ndarray:
    """How many training images carry each label, as training sees them, `[C]`."""
    return np.bincount(data.train_labels, minlength=data.pool.num_classes)


def balanced_matrix(counts: np.ndarray) -> Tensor:
    """Infogain's diagonal H_ii = min_j N_j / N_i, `[C, C]`: every class weighs as much as the rarest.

    Negi, Chen and Mahoor, on eq. 1. With equally many images of each class it is the identity, cross entropy.
    Raises ValueError where a class has no image.
    """
    if (counts == 0).any():
        raise ValueError(
            f"classes {np.flatnonzero(counts == 0).tolist()} have no training image: no balance is possible"
        )
    return torch.diag(torch.from_numpy(counts.min() / counts))


def true_transition(data: TaskData) -> Tensor:
    """How often class i was turned into label j among the training images, `[C, C]`, rows sum to 1.

    Measured on the labels as they were corrupted, which only an experiment knows. A class without a training image
    keeps its label. Without noise it is the identity.
    """
    classes = data.pool.num_classes
    counts = np.zeros((classes, classes))
    np.add.at(counts, (data.pool.labels[data.train_index], data.train_labels), 1)
    absent = counts.sum(1) == 0
    counts[absent, absent] = 1
    return torch.from_numpy(counts / counts.sum(1, keepdims=True))
