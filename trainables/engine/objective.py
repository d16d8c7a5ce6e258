"""The losses of all lanes: lanes of one family are computed and learn together, gradients never mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from trainables.engine.bank import Bank, Rows
from trainables.engine.optimizers import Columns, Optimizer
from trainables.engine.stack import Outputs, Stack, last, make_stack
from trainables.losses.base import Loss


@dataclass(frozen=True)
class LaneLoss:
    """A lane's loss while it trains. Its tensors are views of its group's rows, so that asking it shows what is.

    `every_module`: it takes the logits of every module of the network, not the last alone. `memory` is what the
    optimiser remembered of what it learns when the lane joined.
    """

    loss: Loss
    every_module: bool = False
    memory: Mapping[str, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def arrays(self) -> dict[str, Tensor]:
        """What the loss has to show."""
        return self.loss.arrays()


@dataclass(frozen=True)
class Group:
    """Lanes whose losses share one structure. `rows` is None where they are all the lanes there are."""

    members: list[int]
    rows: Tensor | None
    every_module: bool
    bank: Bank
    stack: Stack
    columns: Columns

    def compute(self, logits: Outputs, targets: Tensor, indices: Tensor) -> Tensor:
        """The loss of each of its lanes, from the inputs of all lanes."""
        if not self.every_module:
            logits = last(logits)
        if self.rows is not None:
            rows = self.rows
            logits = logits[rows] if isinstance(logits, Tensor) else [part[rows] for part in logits]
            targets, indices = targets[rows], indices[rows]
        return last(self.stack.forward(logits, targets, indices))


class Objective:
    """Loss of each lane: logits `[L, B, C]`, or a list of them, targets and indices `[L, B]` to `[L]`.

    What a loss learns moves with the network's kind of optimiser and the lane's settings of it, but for three things:
    a learning rate of its own where the loss has one; no weight decay, which would pull a learned epsilon to zero; and
    no clipping, because `clip_norm` bounds the network's gradient, and the network's steps shall be those that any
    other loss of the same gradient would cause.
    """

    def __init__(self, lanes: Sequence[LaneLoss], optimizer: Optimizer, columns: Columns, device: torch.device) -> None:
        self.lanes = list(lanes)
        by_structure: dict[tuple[object, ...], list[int]] = {}
        for row, lane in enumerate(lanes):
            by_structure.setdefault((type(lane.loss), lane.every_module, *lane.loss.structure), []).append(row)
        self.groups = []
        for members in by_structure.values():
            first, rows = lanes[members[0]], torch.tensor(members, device=device)
            bank = Bank(first.loss, optimizer)
            for row in members:
                bank.add(lanes[row].loss, lanes[row].memory)
            for place, row in enumerate(members):
                bank.link(place, lanes[row].loss)
            undecayed = {name: column[rows] for name, column in columns.items()}
            undecayed["weight_decay"] = torch.zeros_like(undecayed["weight_decay"])
            everyone = len(members) == len(lanes)
            stack = make_stack(first.loss, bank)
            self.groups.append(Group(members, None if everyone else rows, first.every_module, bank, stack, undecayed))
        self.learning = [group for group in self.groups if group.bank.layout.width]

    def __call__(self, logits: Outputs, targets: Tensor, indices: Tensor) -> Tensor:
        if self.groups[0].rows is None:
            return self.groups[0].compute(logits, targets, indices)
        result = last(logits).new_zeros(len(targets))
        for group in self.groups:
            result = result.index_put((group.rows,), group.compute(logits, targets, indices))
        return result

    @property
    def learning_stacks(self) -> list[Stack]:
        """The stacks of the losses that learn."""
        return [group.stack for group in self.learning]

    def step(self, gradients: Sequence[Tensor], lr: Tensor) -> None:
        """Move what is learned: gradients in the order of `learning_stacks`, learning rates `[L, 1]` of all lanes."""
        for group, gradient in zip(self.learning, gradients, strict=True):
            group.bank.step(gradient, lr if group.rows is None else lr[group.rows], group.columns)

    def observing(self, epochs: Sequence[int]) -> list[int]:
        """The lanes whose losses ask for the network's outputs after these epochs `[L]`, counted from 1."""
        return [row for row, lane in enumerate(self.lanes) if lane.loss.observes(epochs[row])]

    @torch.no_grad()
    def end_epoch(self, row: int, epoch: int, logits: Tensor, targets: Tensor) -> None:
        """Show the loss of lane `row` the outputs `[N, C]` on the training images."""
        loss = self.lanes[row].loss
        loss.end_epoch(epoch, logits, targets)
        group, place = self._place(row)
        group.bank.put(place, loss)  # it may have set its memory to a tensor of its own
        group.bank.link(place, loss)

    @torch.no_grad()
    def metrics(self) -> list[dict[str, Tensor]]:
        """What each lane's loss has to log, 0-d each."""
        return [lane.loss.metrics() for lane in self.lanes]

    def optimizer_memory(self, row: int) -> dict[str, Tensor]:
        """The optimiser's memory of what the loss of lane `row` learns; empty where it learns nothing."""
        group, place = self._place(row)
        return group.bank.optimizer_memory(place) if group.bank.layout.width else {}

    def lanes_as_they_are(self) -> list[LaneLoss]:
        """The lanes with what the optimiser remembers by now, for the next objective."""
        return [replace(lane, memory=self.optimizer_memory(row)) for row, lane in enumerate(self.lanes)]

    def snapshot(self) -> list[Rows]:
        """Copies of all that an epoch changes, for `restore`."""
        return [group.bank.snapshot() for group in self.groups]

    def restore(self, before: Sequence[Rows]) -> None:
        """Undo what was done since `snapshot`."""
        for group, rows in zip(self.groups, before, strict=True):
            group.bank.restore(rows)
            for place, row in enumerate(group.members):  # a loss may have set its memory to a tensor of its own
                group.bank.link(place, self.lanes[row].loss)

    def _place(self, row: int) -> tuple[Group, int]:
        return next((group, group.members.index(row)) for group in self.groups if row in group.members)
