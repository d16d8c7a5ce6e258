"""The array of lanes."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn

from trainables.data.task import TaskData
from trainables.engine.bank import Bank
from trainables.engine.lane import Lane, LaneState, Metrics, Tensors
from trainables.engine.layout import named_tensors
from trainables.engine.measure import ALWAYS, TRAINED
from trainables.engine.memory import keep_freed_memory
from trainables.engine.naming import loss_tensors, network_tensors, part, restore
from trainables.engine.network import make_network
from trainables.engine.objective import LaneLoss
from trainables.engine.optimizers import make_optimizer
from trainables.engine.program import Program
from trainables.engine.sources import make_source
from trainables.metrics.classes import Classes
from trainables.models.attached import Attached, chosen_blocks
from trainables.models.lone_image import check_last_batch

MEASURED = "measured"


class LaneArray:
    """Trials that share network, batch size, kind of optimiser, precision, images and how these are normalised,
    training as one program.

    Lanes differ in weights, loss, learning rate and the other hyperparameters, noise mask, order of the data and
    augmentation. What happens in a lane does not depend on its neighbours: not its random numbers, not a loss that
    became NaN. The blocks that carry `modules` of their own are part of the network.
    """

    def __init__(
        self,
        data: TaskData,
        model: Mapping[str, Any],
        training: Mapping[str, Any],
        device: str = "cpu",
        modules: str | Sequence[str] | None = None,
    ) -> None:
        self.device = torch.device(device)
        keep_freed_memory()
        self.dtype = torch.float64 if training["precision"] == "float64" else torch.float32
        self.data = make_source(data, training.get("normalise", "channel"), self.device, self.dtype)
        self.classes = Classes.of(data.pool)
        self.model, self.modules = dict(model), modules
        shape, classes, images = self.data.image_shape, self.data.num_classes, self.data.num_train
        check_last_batch(model, shape, classes, images, training["batch_size"])
        self.module = self._new_module(seed=0)
        kind = training["optimizer"]
        self.bank = Bank(self.module, make_optimizer(kind["name"], kind.get("nesterov", False)))
        self.lanes: list[Lane] = []
        self.states: list[LaneState] = []
        self._losses: list[LaneLoss] = []  # as they were when a lane last joined or left
        self._program: Program | None = None

    @property
    def keys(self) -> list[str]:
        """The lanes' keys, in their order."""
        return [lane.key for lane in self.lanes]

    @property
    def program(self) -> Program:
        """The lanes as one program; made anew once it is asked for after lanes joined or left."""
        if self._program is None:
            self._program = Program(self.lanes, self._losses, self.module, self.bank, self.data, self.classes)
        return self._program

    def add(self, lane: Lane, state: LaneState | None = None) -> None:
        """Take in a lane: a fresh one, or one that goes on from `state`. Its loss is copied and stays as it is."""
        if lane.key in self.keys:
            raise ValueError(f"lane '{lane.key}' is in the array already")
        self._check_modules(lane)
        state = state or LaneState()
        module = self._new_module(lane.weights_seed)
        loss = copy.deepcopy(lane.loss).to(device=self.device, dtype=self.dtype)
        if state.last:
            restore(network_tensors(module, named_tensors(module)) | loss_tensors(loss), state.last)
        self._end_program()
        self.bank.add(module, part("optimizer", state.last))
        self._losses.append(LaneLoss(loss, lane.modules is not None, part("loss_optimizer", state.last)))
        best = {name: tensor.to(self.device) for name, tensor in state.best.items()}
        self.lanes.append(lane)
        last = {f"{MEASURED}.{name}": t.to(self.device) for name, t in part(MEASURED, state.last).items()}
        self.states.append(LaneState(state.epoch, last, best, state.best_epoch, state.best_value, list(state.history)))
        if not best:
            self.states[-1].best = self._shown(len(self.lanes) - 1)

    def remove(self, key: str) -> None:
        """Let a lane go and close the gap."""
        row = self.keys.index(key)
        keep = [i for i in range(len(self.lanes)) if i != row]
        self._end_program()
        self.bank.keep(torch.tensor(keep, dtype=torch.long, device=self.device))
        self.lanes, self.states = [self.lanes[i] for i in keep], [self.states[i] for i in keep]
        self._losses = [self._losses[i] for i in keep]

    def advance(self) -> dict[str, Metrics]:
        """Train every lane for one epoch and evaluate it: metrics by key, after one transfer from the device.

        `seconds` is a lane's share of the time, `lanes` how many shared it.

        What a lane's loss logs is among them, its names beginning with `loss_`. Of loss and accuracy a value that is no
        finite number is reported as it is, any other is left out. Where something breaks in an epoch of several lanes,
        all of them are again what they were before it.
        """
        if len(self.lanes) == 1:
            return self._advance()
        before = self.program.snapshot()
        try:
            return self._advance()
        except Exception:
            self.program.restore(before)
            raise

    def _advance(self) -> dict[str, Metrics]:
        started = time.perf_counter()
        program, epochs = self.program, [state.epoch for state in self.states]
        rates = program.learning_rates(epochs)
        measured, names = program.train(epochs, rates), [*TRAINED]
        validated = program.evaluate() if self.data.num_val else None
        if validated is not None:
            measured = torch.cat([measured, validated.finish()])
            names += validated.reported_names()
        program.show_outputs(epochs)
        logged = program.objective.metrics()
        kept = validated.kept() if validated is not None else {}
        on_device = [value.reshape(1) for values in logged for value in values.values()]
        numbers = iter(torch.cat([measured.T.flatten(), *on_device]).tolist())
        seconds = (time.perf_counter() - started) / len(self.lanes)
        rows = [{name: next(numbers) for name in names} for _ in self.lanes]
        reports = {}
        for row, (lane, state) in enumerate(zip(self.lanes, self.states, strict=True)):
            metrics: Metrics = {n: value for n, value in rows[row].items() if n in ALWAYS or math.isfinite(value)}
            metrics |= {"lr": float(rates[0, 0, row]), "seconds": seconds, "lanes": len(self.lanes)}
            metrics |= {f"loss_{name}": next(numbers) for name in logged[row]}
            state.epoch += 1
            state.last = {f"{MEASURED}.{name}": lanes[row] for name, lanes in kept.items()}
            state.history.append(metrics)
            self._keep_best(row, metrics.get(lane.monitor, math.nan))
            reports[lane.key] = metrics
        return reports

    def save(self, key: str) -> LaneState:
        """A copy of a lane's state on the CPU, to be given to `add` here or in another array."""
        row = self.keys.index(key)
        state, objective = self.states[row], self.program.objective
        tensors = self._shown(row) | loss_tensors(objective.lanes[row].loss)
        tensors |= {f"optimizer.{name}": t for name, t in self.bank.optimizer_memory(row).items()}
        tensors |= {f"loss_optimizer.{name}": t for name, t in objective.optimizer_memory(row).items()}
        last, best = ({name: t.detach().cpu().clone() for name, t in kept.items()} for kept in (tensors, state.best))
        return LaneState(state.epoch, last, best, state.best_epoch, state.best_value, list(state.history))

    def network(self, key: str, which: Literal["best", "last"]) -> nn.Module:
        """A lane's network by itself, as it was at the best epoch or as it is."""
        row = self.keys.index(key)
        return self.network_of(self.states[row].best if which == "best" else self._shown(row))

    def network_of(self, tensors: Tensors) -> nn.Module:
        """The network that `tensors`, named as in `LaneState`, are the weights and buffers of."""
        module = self._new_module(seed=0)
        restore(network_tensors(module, named_tensors(module)), tensors)
        return module

    def warnings(self, key: str) -> Sequence[str]:
        """What a lane's loss has to say of what it has learned."""
        return self._lane_loss(self.keys.index(key)).loss.warnings()

    def _keep_best(self, row: int, value: float) -> None:
        lane, state = self.lanes[row], self.states[row]
        better = value > state.best_value if lane.maximise else value < state.best_value
        if better or (math.isnan(state.best_value) and math.isfinite(value)):
            state.best_epoch, state.best_value = state.epoch, value
            state.best = self._shown(row)

    def _shown(self, row: int) -> Tensors:
        """Copies of a lane's network, of what validation measured and of what its loss shows, as in `LaneState`."""
        tensors = network_tensors(self.module, self.bank.row(row))
        tensors |= {f"array.{name}": array for name, array in self._lane_loss(row).arrays().items()}
        tensors |= self.states[row].last  # as the last evaluation had it
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def _lane_loss(self, row: int) -> LaneLoss:
        return (self._losses if self._program is None else self._program.objective.lanes)[row]

    def _end_program(self) -> None:
        if self._program is not None:
            self._losses, self._program = self._program.objective.lanes_as_they_are(), None

    def _check_modules(self, lane: Lane) -> None:
        base = self.module.network if isinstance(self.module, Attached) else self.module
        ours, theirs = (chosen_blocks(base, modules or "last") for modules in (self.modules, lane.modules))
        if ours != theirs:
            raise ValueError(f"lane '{lane.key}' has modules at {list(theirs)}, the array's networks at {list(ours)}")

    def _new_module(self, seed: int) -> nn.Module:
        shape, classes = self.data.image_shape, self.data.num_classes
        network = make_network(self.model, self.modules, image_shape=shape, num_classes=classes, seed=seed)
        return network.to(device=self.device, dtype=self.dtype)
