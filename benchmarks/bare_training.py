"""A trial as one would write it without a platform: a module, `torch.optim.SGD` and a loop.

The network, the loss and the data's arrays are the platform's, and so are the seeds of weights and order: all ways of
`ways.py` train the same trials, to rounding.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from trainables.data.task import load_task
from trainables.losses.tce import TamedCrossEntropy
from trainables.models.small_cnn import SmallCNN
from trainables.seeds import derive_seed
from trainables.trial import plain_trial

BATCH_SIZE = 64
NOISE_RATE = 0.4
SEED = 0
NUM_CLASSES = 10

Metrics = dict[str, float]

_global_generator = threading.Lock()  # modules draw their weights from it, and Optuna's trials are threads


@dataclass(frozen=True)
class Data:
    """Normalised images `[N, 1, 8, 8]` and labels `[N]`, on the device for the whole study."""

    train_images: Tensor
    train_labels: Tensor
    val_images: Tensor
    val_labels: Tensor
    clean_val_labels: Tensor
    weights_seed: int
    order_seed: int


def load_data(cache: Path) -> Data:
    """Digits with 40 % uniform label noise, split and corrupted as in `study launch`; decoded into `cache` once."""
    described = plain_trial("tce", {"dataset": "digits", "noise_rate": NOISE_RATE, "seed": SEED})
    task = load_task(described["dataset"], described["split"], described["noise"], cache)
    mean, deviation = (statistics.reshape(-1, 1, 1) for statistics in task.pixel_statistics)

    def images(index: np.ndarray) -> Tensor:
        return torch.from_numpy(((task.pool.images[index] / 255 - mean) / deviation).astype(np.float32))

    return Data(
        train_images=images(task.train_index),
        train_labels=torch.from_numpy(task.noisy_labels[task.train_index]).long(),
        val_images=images(task.val_index),
        val_labels=torch.from_numpy(task.noisy_labels[task.val_index]).long(),
        clean_val_labels=torch.from_numpy(task.pool.labels[task.val_index]).long(),
        weights_seed=described["seeds"]["weights"],
        order_seed=described["seeds"]["order"],
    )


def train(config: dict[str, float], data: Data, epochs: int, report: Callable[[int, Metrics], Any]) -> Metrics:
    """Train a config (`alpha`, `lr`), call `report(epoch, metrics)` after every epoch and return the last metrics."""
    torch.set_num_threads(1)  # as many trials run at once as there are cores
    with _global_generator, torch.random.fork_rng(devices=[]):
        torch.manual_seed(data.weights_seed)
        net = SmallCNN(image_shape=tuple(data.train_images.shape[1:]), num_classes=NUM_CLASSES)
    loss_of = TamedCrossEntropy(NUM_CLASSES, config["alpha"])
    optimizer = torch.optim.SGD(
        net.parameters(), lr=config["lr"], momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True
    )
    metrics: Metrics = {}
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = config["lr"] * (1 + math.cos(math.pi * epoch / epochs)) / 2
        metrics = {**_train_epoch(net, loss_of, optimizer, data, epoch), **_evaluate(net, data)}
        report(epoch + 1, metrics)
    return metrics


def _train_epoch(
    net: SmallCNN, loss_of: TamedCrossEntropy, optimizer: torch.optim.SGD, data: Data, epoch: int
) -> Metrics:
    generator = torch.Generator().manual_seed(derive_seed(data.order_seed, epoch))
    order = torch.randperm(len(data.train_labels), generator=generator)
    batches = zip(
        data.train_images[order].split(BATCH_SIZE), data.train_labels[order].split(BATCH_SIZE), strict=True
    )  # shuffled in one go: a gather per batch costs more
    total, correct = torch.zeros(()), torch.zeros((), dtype=torch.long)
    for images, labels in batches:
        logits = net(images)
        loss = loss_of(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(labels)
        correct += (logits.detach().argmax(-1) == labels).sum()
    return {"train_loss": total.item() / len(order), "train_accuracy": correct.item() / len(order)}


@torch.no_grad()
def _evaluate(net: SmallCNN, data: Data) -> Metrics:
    logits = net(data.val_images)
    predictions = logits.argmax(-1)
    metrics = {}
    for name, labels in (("noisy", data.val_labels), ("clean", data.clean_val_labels)):
        metrics[f"val_loss_{name}"] = cross_entropy(logits, labels).item()
        metrics[f"val_accuracy_{name}"] = (predictions == labels).float().mean().item()
    return metrics
