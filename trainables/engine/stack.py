"""Modules of one structure, one per lane, run alone or as one stacked program: networks and losses alike.

They read weights and buffers from a `Bank`, and change buffers (BatchNorm's running statistics, what a loss remembers)
in place. `make_stack` picks one: a single lane runs its module as it is. A module may take and give one tensor or a
list of them; each has a leading axis of lanes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from trainables.engine.bank import Bank

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

    def __init__(self, module: nn.Module, bank: Bank) -> None:
        super().__init__(module)
        bank.link(0, module)
        self.leaves = [parameter for parameter in module.parameters() if parameter.requires_grad]

    def forward(self, *inputs: Outputs) -> Outputs:
        self._set_mode(training=True)
        return _each(self.module(*[_each(part, lambda t: t[0]) for part in inputs]), lambda t: t.unsqueeze(0))

    @torch.no_grad()
    def evaluate(self, inputs: Tensor) -> Outputs:
        self._set_mode(training=False)
        return _each(self.module(inputs), lambda t: t.unsqueeze(0))

    def join(self, gradients: Sequence[Tensor]) -> Tensor:
        return torch.cat([part.reshape(-1) for part in gradients]).unsqueeze(0)


class VectorizedStack(Stack):
    """Several lanes: `torch.func` calls the module once, vectorised over their rows."""

    def __init__(self, module: nn.Module, bank: Bank) -> None:
        super().__init__(module)
        self.bank, self.leaves = bank, []
        self.train_all = vmap(self._call, in_dims=0)
        self.evaluate_all = vmap(self._call, in_dims=(0, 0, None))

    def _call(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], *inputs: Outputs) -> Outputs:
        outputs: Outputs = functional_call(self.module, (parameters, buffers), inputs)
        return outputs

    def forward(self, *inputs: Outputs) -> Outputs:
        self._set_mode(training=True)
        layout, parameters = self.bank.layout, {}
        if layout.width:
            # One leaf for all weights: the backward pass then ends in one concatenation, already in the rows' order.
            leaf = self.bank.weights.detach().requires_grad_()
            self.leaves, parameters = [leaf], dict(layout.unpack_rows(leaf))
        try:
            outputs: Outputs = self.train_all(parameters, self.bank.buffers, *inputs)
        except RuntimeError as problem:
            if "randomness" in str(problem):
                raise ValueError(ONE_STREAM + ADVICE) from problem
            raise
        return outputs

    @torch.no_grad()
    def evaluate(self, inputs: Tensor) -> Outputs:
        self._set_mode(training=False)
        parameters = dict(self.bank.layout.unpack_rows(self.bank.weights))
        outputs: Outputs = self.evaluate_all(parameters, self.bank.buffers, inputs)
        return outputs

    def join(self, gradients: Sequence[Tensor]) -> Tensor:
        return gradients[0]


def make_stack(module: nn.Module, bank: Bank) -> Stack:
    """The stack of the bank's modules; `module` gives the structure and is taken over."""
    return (LoneStack if len(bank.weights) == 1 else VectorizedStack)(module, bank)


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
