"""What a lane is, and what it has become."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from trainables.losses.base import Loss

Metrics = dict[str, float]
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Lane:
    """One trial, as the array needs it.

    `train_labels` `[N]` and `val_labels` `[M]` are the labels that the trial sees, `clean_train_labels` and
    `clean_val_labels` the true ones.
    `training` is a trial's part of that name, `monitor` the metric whose best epoch is kept, with `maximise`.
    `modules` names the blocks that carry a module of their own, for a loss that takes the logits of each
    (`trainables/models/attached.py`); None for a loss that takes the network's own alone.
    Raises ValueError for a label that is none of the classes.
    """

    key: str
    loss: Loss
    training: Mapping[str, Any]
    weights_seed: int
    order_seed: int
    train_labels: Tensor
    val_labels: Tensor
    clean_train_labels: Tensor
    clean_val_labels: Tensor
    monitor: str = "val_accuracy_noisy"
    maximise: bool = True
    modules: str | Sequence[str] | None = None
    augmentation_seed: int = 0

    def __post_init__(self) -> None:
        classes = self.loss.num_classes
        for name in ("train_labels", "val_labels", "clean_train_labels", "clean_val_labels"):
            labels = getattr(self, name)
            strange = labels[(labels < 0) | (labels >= classes)]
            if len(strange):
                raise ValueError(
                    f"{name} hold label {int(strange[0])}; {classes} classes have labels 0 to {classes - 1}"
                )


@dataclass
class LaneState:
    """All that a lane has become after `epoch` epochs; with its `Lane` enough to go on as if never interrupted.

    `last` holds, by the beginning of the names, `network.` weights and buffers, `attached.` those of attached modules,
    `optimizer.` the optimiser's memory, `loss.` what the loss learned and remembers, `loss_optimizer.` the optimiser's
    memory of that, `array.` what the loss shows and `measured.` what validation counted (`ValidationMeasure.kept`).
    `best` holds weights, buffers, `array.` and `measured.` of the best epoch. `history` has one entry of metrics per
    epoch.
    """

    epoch: int = 0
    last: Tensors = field(default_factory=dict)
    best: Tensors = field(default_factory=dict)
    best_epoch: int = 0
    best_value: float = math.nan
    history: list[Metrics] = field(default_factory=list)
