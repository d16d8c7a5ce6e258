"""The array of lanes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from trainables.data.task import TaskData
from trainables.engine.device_data import DeviceData
from trainables.engine.layout import Layout
from trainables.engine.network import make_networks
from trainables.engine.objective import Objective
from trainables.engine.optimizers import clip, make_optimizer
from trainables.engine.schedules import schedule_factor
from trainables.losses.base import Loss
from trainables.models import make_model
from trainables.seeds import derive_seed

Metrics = dict[str, float]
Tensors = dict[str, Tensor]

EVALUATION_BATCH = 1024  # images in one forward pass without gradients


@dataclass(frozen=True)
class Lane:
    """One trial, as the array needs it.

    `train_labels` `[N]` and `val_labels` `[M]` are the labels that the trial sees, `clean_val_labels` the true ones.
    `training` is a trial's part of that name, `monitor` the metric whose best epoch is kept, with `maximise`.
    """

    key: str
    loss: Loss
    training: Mapping[str, Any]
    weights_seed: int
    order_seed: int
    train_labels: Tensor
    val_labels: Tensor
    clean_val_labels: Tensor
    monitor: str = "val_accuracy_noisy"
    maximise: bool = True


@dataclass
class LaneState:
    """All that a lane has become after `epoch` epochs; with its `Lane` enough to go on as if never interrupted.

    `last` holds weights, buffers and the optimiser's memory, `best` weights and buffers of the best epoch; names begin
    with `network.` or `optimizer.`. `history` has one entry of metrics per epoch.
    """

    epoch: int = 0
    last: Tensors = field(default_factory=dict)
    best: Tensors = field(default_factory=dict)
    best_epoch: int = 0
    best_value: float = math.nan
    history: list[Metrics] = field(default_factory=list)


class LaneArray:
    """Trials that share network, batch size, kind of optimiser, precision and images, training as one program.

    Lanes differ in weights, loss, learning rate and the other hyperparameters, noise mask and order of the data. What
    happens in a lane does not depend on its neighbours: not its random numbers, not a loss that became NaN.
    """

    def __init__(
        self, data: TaskData, model: Mapping[str, Any], training: Mapping[str, Any], device: str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.dtype = {"float32": torch.float32, "float64": torch.float64}[training["precision"]]
        self.data = DeviceData(data, self.device, self.dtype)
        self.model = dict(model)
        self.batch_size = training["batch_size"]
        kind = training["optimizer"]
        self.optimizer = make_optimizer(kind["name"], kind.get("nesterov", False))
        self.module = self._new_module(seed=0)
        self.layout = Layout(self.module)
        self.lanes: list[Lane] = []
        self.states: list[LaneState] = []
        self.weights = self._empty(self.layout.width)
        self.best_weights = self._empty(self.layout.width)
        self.buffers = {name: b[None][:0].to(self.device) for name, b in self.module.named_buffers()}
        self.best_buffers = {name: b.clone() for name, b in self.buffers.items()}
        self.memory = {slot: self._empty(self.layout.width) for slot in self.optimizer.slots}
        self.memory |= {counter: self._empty(1) for counter in self.optimizer.counters}

    @property
    def keys(self) -> list[str]:
        """The lanes' keys, in their order."""
        return [lane.key for lane in self.lanes]

    def add(self, lane: Lane, state: LaneState | None = None) -> None:
        """Take in a lane: a fresh one, or one that goes on from `state`."""
        if lane.key in self.keys:
            raise ValueError(f"lane '{lane.key}' is in the array already")
        state = state or LaneState()
        self.lanes.append(lane)
        self.states.append(LaneState(state.epoch, {}, {}, state.best_epoch, state.best_value, list(state.history)))
        module = self._new_module(lane.weights_seed)
        fresh = {f"network.{name}": t.detach() for name, t in [*module.named_parameters(), *module.named_buffers()]}
        last, best = state.last or fresh, state.best or fresh
        self.weights = self._with_row(self.weights, self._pack(last, "network"))
        self.best_weights = self._with_row(self.best_weights, self._pack(best, "network"))
        for name in self.buffers:
            self.buffers[name] = self._with_row(self.buffers[name], last[f"network.{name}"])
            self.best_buffers[name] = self._with_row(self.best_buffers[name], best[f"network.{name}"])
        for slot in self.memory:
            width = 1 if slot in self.optimizer.counters else self.layout.width
            row = torch.zeros(width)
            if state.last and slot in self.optimizer.counters:
                row = last[f"optimizer.{slot}"]
            elif state.last:
                row = self._pack(last, f"optimizer.{slot}")
            self.memory[slot] = self._with_row(self.memory[slot], row)
        self._rebuild()

    def remove(self, key: str) -> None:
        """Let a lane go and close the gap."""
        row = self.keys.index(key)
        keep = [i for i in range(len(self.lanes)) if i != row]
        rows = torch.tensor(keep, dtype=torch.long, device=self.device)
        self.lanes = [self.lanes[i] for i in keep]
        self.states = [self.states[i] for i in keep]
        self.weights, self.best_weights = self.weights[rows], self.best_weights[rows]
        for group in (self.buffers, self.best_buffers, self.memory):
            for name in group:
                group[name] = group[name][rows]
        self._rebuild()

    def advance(self) -> dict[str, Metrics]:
        """Train every lane for one epoch and evaluate it: metrics by key, after one transfer from the device."""
        started = time.perf_counter()
        rates = self._learning_rates()
        summed = torch.cat([self._train_epoch(rates), self._evaluate()]).cpu()
        seconds = (time.perf_counter() - started) / len(self.lanes)
        reports = {}
        for row, (lane, state) in enumerate(zip(self.lanes, self.states, strict=True)):
            state.epoch += 1
            names = (
                "train_loss", "train_accuracy",
                "val_loss_noisy", "val_accuracy_noisy", "val_loss_clean", "val_accuracy_clean",
            )  # fmt: skip
            metrics: Metrics = dict(zip(names, summed[:, row].tolist(), strict=True))
            metrics |= {"lr": float(rates[row]), "seconds": seconds}
            state.history.append(metrics)
            self._keep_best(row, metrics[lane.monitor])
            reports[lane.key] = metrics
        return reports

    def save(self, key: str) -> LaneState:
        """A copy of a lane's state on the CPU, to be given to `add` here or in another array."""
        row = self.keys.index(key)
        state = self.states[row]
        last = self._unpack(self.weights[row], self.buffers, row)
        for slot, rows in self.memory.items():
            if slot in self.optimizer.counters:
                last[f"optimizer.{slot}"] = rows[row].cpu().clone()
            else:
                for name, part in self.layout.unpack(rows[row]).items():
                    last[f"optimizer.{slot}.{name}"] = part.cpu().clone()
        best = self._unpack(self.best_weights[row], self.best_buffers, row)
        return LaneState(state.epoch, last, best, state.best_epoch, state.best_value, list(state.history))

    # -- one epoch ------------------------------------------------------------------------------------------------

    def _train_epoch(self, rates: Tensor) -> Tensor:
        """Train on all images once; mean loss and accuracy `[2, L]`, still on the device."""
        lr = rates.to(self.device, self.dtype)[:, None]
        order = torch.stack([self._order(lane, state) for lane, state in zip(self.lanes, self.states, strict=True)])
        totals = torch.zeros(2, len(self.lanes), dtype=self.dtype, device=self.device)
        for indices in order.to(self.device).split(self.batch_size, dim=1):
            targets = self.labels.gather(1, indices)
            logits = self.networks.forward(self.data.batch(indices))
            losses = self.objective(logits, targets, indices)
            gradients = self.networks.gradients(losses.sum())
            with torch.no_grad():
                if self.max_norm is not None:
                    clip(gradients, self.max_norm)
                self.optimizer.step(self.weights, gradients, self.memory, lr, self.columns)
                totals[0].add_(losses, alpha=indices.shape[1])
                totals[1].add_((logits.argmax(-1) == targets).sum(1))
        return totals / self.data.num_train

    def _evaluate(self) -> Tensor:
        """Cross entropy and accuracy on the validation images, against noisy and clean labels: `[4, L]`."""
        totals = torch.zeros(4, len(self.lanes), dtype=self.dtype, device=self.device)
        labels = torch.stack([self.val_labels, self.clean_val_labels])
        for start in range(0, self.data.num_val, EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            logits = self.networks.evaluate(self.data.val_images[part])
            predictions = logits.argmax(-1)
            for which in (0, 1):
                targets = labels[which, :, part]
                loss = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
                totals[2 * which] += loss.view_as(targets).sum(1)
                totals[2 * which + 1] += (predictions == targets).sum(1)
        return totals / self.data.num_val

    def _order(self, lane: Lane, state: LaneState) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(lane.order_seed, state.epoch))
        return torch.randperm(self.data.num_train, generator=generator)

    def _learning_rates(self) -> Tensor:
        """The learning rate of each lane in its next epoch, `[L]`."""
        rates = []
        for lane, state in zip(self.lanes, self.states, strict=True):
            training = lane.training
            factor = schedule_factor(training["schedule"], state.epoch, training["epochs"])
            rates.append(training["optimizer"]["lr"] * factor)
        return torch.tensor(rates, dtype=torch.float64)

    def _keep_best(self, row: int, value: float) -> None:
        lane, state = self.lanes[row], self.states[row]
        better = value > state.best_value if lane.maximise else value < state.best_value
        if better or (math.isnan(state.best_value) and math.isfinite(value)):
            state.best_epoch, state.best_value = state.epoch, value
            self.best_weights[row] = self.weights[row]
            for name in self.buffers:
                self.best_buffers[name][row] = self.buffers[name][row]

    # -- rows -----------------------------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        """Everything that is derived from the list of lanes."""
        if not self.lanes:
            return
        self.networks = make_networks(self.module, self.layout, self.weights, self.buffers)
        losses = [lane.loss.to(device=self.device, dtype=self.dtype) for lane in self.lanes]
        self.objective = Objective(losses, self.device)
        self.labels = torch.stack([lane.train_labels for lane in self.lanes]).to(self.device)
        self.val_labels = torch.stack([lane.val_labels for lane in self.lanes]).to(self.device)
        self.clean_val_labels = torch.stack([lane.clean_val_labels for lane in self.lanes]).to(self.device)
        self.columns = {
            name: self._column([lane.training["optimizer"][name] for lane in self.lanes])
            for name in self.optimizer.hyperparameters
        }
        norms = [lane.training["clip_norm"] for lane in self.lanes]
        clipped = any(norm is not None for norm in norms)
        self.max_norm = self._column([math.inf if n is None else n for n in norms]) if clipped else None

    def _new_module(self, seed: int) -> torch.nn.Module:
        module = make_model(
            **self.model, image_shape=self.data.image_shape, num_classes=self.data.num_classes, seed=seed
        )
        return module.to(device=self.device, dtype=self.dtype)

    def _empty(self, width: int) -> Tensor:
        return torch.empty(0, width, dtype=self.dtype, device=self.device)

    def _column(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=self.dtype, device=self.device)[:, None]

    def _with_row(self, rows: Tensor, row: Tensor) -> Tensor:
        return torch.cat([rows, row.to(rows)[None]])

    def _pack(self, tensors: Tensors, prefix: str) -> Tensor:
        return self.layout.pack({name: tensors[f"{prefix}.{name}"] for name in self.layout.shapes})

    def _unpack(self, weights: Tensor, buffers: Tensors, row: int) -> Tensors:
        named = self.layout.unpack(weights) | {name: rows[row] for name, rows in buffers.items()}
        return {f"network.{name}": tensor.cpu().clone() for name, tensor in named.items()}
