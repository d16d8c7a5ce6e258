"""A trial's loss: hyperparameters given by name become the arrays that they stand for on the trial's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.data.noise import transition_matrix
from trainables.data.task import TaskData
from trainables.engine.network import make_network, num_modules
from trainables.losses import get_family, make_loss
from trainables.losses.base import Loss
from trainables.losses.families import Family, Similarity
from trainables.losses.matrices import balanced_matrix


def trial_loss(described: Mapping[str, Any], model: Mapping[str, Any], data: TaskData) -> Loss:
    """The loss that a trial's part `loss` describes, made for its data and its network, in double precision.

    Raises ValueError for an unknown family or hyperparameter, and for a value outside its range.
    """
    values = dict(described)
    family = get_family(values.pop("family"))
    values = family.complete(values)
    values = {name: _resolved(family, name, value, data) for name, value in values.items()}
    shape, classes = data.pool.image_shape, data.pool.num_classes
    if family.needs_samples:
        values["num_samples"] = len(data.train_index)
    if family.attaches_modules:
        network = make_network(model, values["modules"], image_shape=shape, num_classes=classes, seed=0)
        values["num_modules"] = num_modules(network, shape)
    return make_loss(family.name, num_classes=classes, dtype=torch.float64, **values)


def trial_modules(described: Mapping[str, Any]) -> str | Sequence[str] | None:
    """The blocks at which a trial's loss wants modules of its own; None for a loss that takes the network's alone."""
    values = dict(described)
    family = get_family(values.pop("family"))
    modules: str | Sequence[str] | None = family.complete(values).get("modules")
    return modules if family.attaches_modules else None


def _resolved(family: Family, name: str, value: Any, data: TaskData) -> Any:
    kind = family.hyperparameters[name]
    if isinstance(kind, Similarity) and isinstance(value, str | Mapping):
        if isinstance(value, str) and value in kind.without_options:  # the loss makes it from its other hyperparameters
            return value
        return torch.tensor(data.likeness(value) if kind.raw else data.similarity(value))
    if isinstance(value, str) and value == "balanced":
        return balanced_matrix(class_counts(data))
    return true_transition(data) if isinstance(value, str) and value == "true" else value


def class_counts(data: TaskData) -> np.ndarray:
    """How many training images carry each label, as training sees them, `[C]`."""
    return np.bincount(data.train_labels, minlength=data.pool.num_classes)


def true_transition(data: TaskData) -> Tensor:
    """How often class i was turned into label j among the training images, `[C, C]`, rows sum to 1.

    Measured on the labels as they were corrupted, which only an experiment knows. A class without a training image
    keeps its label. Without noise it is the identity.
    """
    true = data.pool.labels[data.train_index]
    return torch.from_numpy(transition_matrix(true, data.train_labels, data.pool.num_classes))
