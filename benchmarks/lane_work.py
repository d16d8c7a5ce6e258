"""What lanes are measured on: networks, made-up images, and arrays of lanes that train on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainables.data.datasets import Images
from trainables.data.task import TaskData
from trainables.engine.lane import Lane
from trainables.engine.lanes import LaneArray
from trainables.losses import make_loss
from trainables.losses.base import Loss

CLASSES = 10
LR, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 1e-4


@dataclass(frozen=True)
class Workload:
    """A network and the images it trains on."""

    name: str
    model: dict[str, Any]
    shape: tuple[int, int, int]
    batch: int


SMALL = Workload("small", {"name": "small_cnn"}, (1, 8, 8), 64)
RESNET = Workload("resnet", {"name": "resnet_cifar", "depth": 20}, (3, 32, 32), 128)
WIDE = Workload("wide", {"name": "wide_resnet"}, (3, 32, 32), 128)
TINY = Workload("tiny", {"name": "resnet_cifar", "depth": 8, "width": 8}, (3, 8, 8), 8)  # for checks and smoke tests
WORKLOADS = {workload.name: workload for workload in (SMALL, RESNET, WIDE, TINY)}


@dataclass(frozen=True)
class Setting:
    """Lanes of a workload, and where and how they train; `precision` is `float32`, `bf16` or `float64`."""

    workload: Workload
    data: TaskData
    lanes: int
    device: str
    precision: str


def made_up(workload: Workload, count: int, folder: Path) -> TaskData:
    """Images of the workload's shape for training, and a fifth as many for validation."""
    random = np.random.default_rng(0)
    total = count + count // 5
    images = random.integers(0, 256, (total, *workload.shape), dtype=np.uint8)
    labels = random.integers(0, CLASSES, total)
    pool = Images("made up", images, labels, tuple("abcdefghij"), workload.name)
    return TaskData(
        pool, np.arange(count), np.arange(count, total), labels, f"{workload.name}{count}", "noise", {}, folder
    )


def lane_loss(lane: int) -> Loss:
    """TCE with a hyperparameter of the lane's own."""
    return make_loss("tce", num_classes=CLASSES, alpha=0.5 + lane / 64)


def lane_array(setting: Setting) -> LaneArray:
    """Lanes of TCE whose hyperparameters, weights and orders differ; a lane's seeds are its number."""
    data = setting.data
    training = {
        "epochs": 1000,
        "batch_size": setting.workload.batch,
        "precision": setting.precision,
        "clip_norm": None,
        "optimizer": {
            "name": "sgd", "lr": LR, "momentum": MOMENTUM, "nesterov": True, "weight_decay": WEIGHT_DECAY,
        },
        "schedule": {"name": "constant"},
    }  # fmt: skip
    array = LaneArray(data, setting.workload.model, training, setting.device)
    train, val = (torch.from_numpy(data.pool.labels[index]) for index in (data.train_index, data.val_index))
    for lane in range(setting.lanes):
        array.add(Lane(str(lane), lane_loss(lane), training, lane, lane, train, val, train, val))
    return array
