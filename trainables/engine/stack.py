"""Modules of one structure, one per lane, run alone or as one stacked program: networks and losses alike.

They read weights and buffers from a `Bank`, and change buffers (BatchNorm's running statistics, what a loss remembers)
in place. `make_stack` picks one: a single lane runs its module as it is. A module may take and give one tensor or a
list of them; each has a leading axis of lanes. Of those that take images `folding.py` sees to the layout and
`parts.py` to how many lanes go through them at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from trainables.engine.bank import Bank
from trainables.engine.channels_last import channels_last, wants_channels_last
from trainables.engine.folding import LanesAsChannels
from trainables.engine.parts import folded_bytes, lanes_per_part
from trainables.engine.stateless import Stateless

Outputs = Tensor | Sequence[Tensor]

ONE_STREAM = "a network that draws random numbers by itself, as F.dropout does, cannot train beside others: "
ADVICE = "use nn.Dropout, whose masks the engine draws for each lane, or one lane at a time"


class Stack(ABC):
    """One forward pass of every lane. `leaves` are what the last one was computed from, for `gradients`."""

    leaves: list[Tensor]

    def __init__(self, module: nn.Module) -> None:
        self.module = module.eval()  # all of it: the first forward pass then turns all of it to training

    def _set_mode(self, training: bool) -> None:
        if self.module.training != training:  # setting it walks over all submodules, each step
            self.module.train(training)

    @abstractmethod
    def forward(self, *inputs: Outputs) -> Outputs:
        """Training mode: inputs of its own for each lane, `[L, B, ...]` to `[L, ...]`."""

    @abstractmethod
    def evaluate(self, inputs: Tensor) -> Outputs:
        """Evaluation mode, no gradients: one batch for all lanes, `[B, ...]` to `[L, ...]`."""

    @abstractmethod
    def join(self, gradients: Sequence[Tensor]) -> Tensor:
        """Gradients of the `leaves` as rows `[L, P]`."""


class LoneStack(Stack):
    """A single lane: any module, its tensors being views of the only row."""

    def __init__(self, module: nn.Module, bank: Bank, images: bool) -> None:
        super().__init__(module)
        bank.link(0, module)
        self.leaves = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.channels_last = None if images else False  # unknown before the first images

    def forward(self, *inputs: Outputs) -> Outputs:
        return self._run(True, *[_each(part, lambda t: t[0]) for part in inputs])

    @torch.no_grad()
    def evaluate(self, inputs: Tensor) -> Outputs:
        return self._run(False, inputs)

    def join(self, gradients: Sequence[Tensor]) -> Tensor:
        return torch.cat([part.reshape(-1) for part in gradients]).unsqueeze(0)

    def _run(self, training: bool, *inputs: Any) -> Outputs:
        if self.channels_last is None:
            self.channels_last = wants_channels_last(self.module, inputs[0])
        if self.channels_last:
            inputs = (channels_last(inputs[0]),)
        self._set_mode(training)
        return _each(self.module(*inputs), lambda t: t.unsqueeze(0))


class VectorizedStack(Stack):
    """Several lanes: `torch.func` calls the module once for each part of them, vectorised over their rows."""

    def __init__(self, module: nn.Module, bank: Bank, images: bool) -> None:
        super().__init__(module)
        self.bank, self.images, self.leaves = bank, images, []
        self.stateless = Stateless(module)
        self.image_bytes: float | None = None  # unknown before the first images
        self.layout: Callable[[], AbstractContextManager[object]] = nullcontext
        self.train_all = vmap(self._call, in_dims=0)
        self.evaluate_all = vmap(self._call, in_dims=(0, None))

    def _call(self, tensors: dict[str, Tensor], *inputs: Outputs) -> Outputs:
        with self.layout():
            outputs: Outputs = self.stateless(tensors, *inputs)
        return outputs

    def forward(self, *inputs: Outputs) -> Outputs:
        parts = self._parts(last(inputs[0])[0])
        self._set_mode(training=True)
        self.leaves, outputs = [], []
        try:
            for rows in parts:
                # One leaf for all weights: the backward pass then ends in one concatenation, in the rows' order.
                leaf = self.bank.weights[rows].detach().requires_grad_()
                outputs.append(self.train_all(self._tensors(rows, leaf), *_taken(inputs, rows)))
                self.leaves.append(leaf)
        except RuntimeError as problem:
            if "randomness" in str(problem):
                raise ValueError(ONE_STREAM + ADVICE) from problem
            raise
        return _joined(outputs)

    @torch.no_grad()
    def evaluate(self, inputs: Tensor) -> Outputs:
        parts = self._parts(inputs)
        self._set_mode(training=False)
        return _joined([self.evaluate_all(self._tensors(rows, self.bank.weights[rows]), inputs) for rows in parts])

    def join(self, gradients: Sequence[Tensor]) -> Tensor:
        return gradients[0] if len(gradients) == 1 else torch.cat(list(gradients))

    def _tensors(self, rows: slice, weights: Tensor) -> dict[str, Tensor]:
        """What the module needs of these rows, `[rows, ...]` by name; `weights` are theirs."""
        layout = self.bank.layout
        parameters = dict(layout.unpack_rows(weights)) if layout.width else {}
        return parameters | {name: tensor[rows] for name, tensor in self.bank.buffers.items()}

    def _parts(self, images: Tensor) -> list[slice]:
        """The lanes that go through the module together, for images `[B, ...]` of each."""
        lanes = len(self.bank.weights)
        if not self.images:
            return [slice(0, lanes)]
        if self.image_bytes is None:
            self._set_mode(training=False)
            self.image_bytes = folded_bytes(self.module, images)
            self.layout = LanesAsChannels if self.image_bytes else nullcontext
        return lanes_per_part(lanes, len(images) * self.image_bytes if images.device.type == "cpu" else 0)


def make_stack(module: nn.Module, bank: Bank, *, images: bool = False) -> Stack:
    """The stack of the bank's modules, which take `images` or not; `module` gives the structure and is taken over."""
    return (LoneStack if len(bank.weights) == 1 else VectorizedStack)(module, bank, images)


def gradients(loss: Tensor, stacks: Sequence[Stack]) -> list[Tensor]:
    """Gradients `[L, P]` of a scalar with respect to the weights of each stack, in one backward pass."""
    leaves = [leaf for stack in stacks for leaf in stack.leaves]
    parts = iter(torch.autograd.grad(loss, leaves, materialize_grads=True))  # zeros where a weight is not used
    return [stack.join([next(parts) for _ in stack.leaves]) for stack in stacks]


def last(outputs: Outputs) -> Tensor:
    """The output that predicts: the only one, or the last of several."""
    return outputs if isinstance(outputs, Tensor) else outputs[-1]


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return change(value) if isinstance(value, Tensor) else [change(part) for part in value]


def _taken(inputs: Sequence[Outputs], rows: slice) -> list[Any]:
    return [_each(part, lambda t: t[rows]) for part in inputs]


def _joined(outputs: Sequence[Outputs]) -> Outputs:
    """The outputs of all parts as one, along the axis of lanes."""
    first = outputs[0]
    if len(outputs) == 1:
        return first
    if isinstance(first, Tensor):
        return torch.cat([last(each) for each in outputs])
    return [torch.cat(each) for each in zip(*outputs, strict=True)]
