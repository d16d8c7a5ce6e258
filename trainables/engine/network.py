"""The networks of all lanes, run alone or as one stacked program.

Both take weights `[L, P]` and buffers `{name: [L, ...]}` that they read, and buffers (BatchNorm's running
statistics) that they update in place. `make_networks` picks one: a single lane runs its module as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from trainables.engine.layout import Layout

Buffers = dict[str, Tensor]


class Networks(ABC):
    """One forward and backward pass of every lane."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Training mode: a batch of its own for each lane, `[L, B, ...]` to logits `[L, B, C]`."""

    @abstractmethod
    def gradients(self, loss: Tensor) -> Tensor:
        """Gradients `[L, P]` of a scalar made from the last `forward`."""

    @abstractmethod
    def evaluate(self, images: Tensor) -> Tensor:
        """Evaluation mode, no gradients: one batch for all lanes, `[B, ...]` to logits `[L, B, C]`."""


class LoneNetwork(Networks):
    """A single lane: any module, its parameters being views of the only row."""

    def __init__(self, module: nn.Module, layout: Layout, weights: Tensor, buffers: Buffers) -> None:
        self.module = module
        views = layout.unpack(weights[0])
        for name, parameter in module.named_parameters():
            parameter.data = views[name]
        for name, buffer in module.named_buffers():
            buffer.data = buffers[name][0]
        self.parameters = list(module.parameters())

    def forward(self, images: Tensor) -> Tensor:
        self.module.train()
        logits: Tensor = self.module(images[0])
        return logits.unsqueeze(0)

    def gradients(self, loss: Tensor) -> Tensor:
        parts = torch.autograd.grad(loss, self.parameters, materialize_grads=True)  # zeros where unused, as stacked
        return torch.cat([part.reshape(-1) for part in parts]).unsqueeze(0)

    @torch.no_grad()
    def evaluate(self, images: Tensor) -> Tensor:
        self.module.eval()
        logits: Tensor = self.module(images)
        return logits.unsqueeze(0)


class StackedNetworks(Networks):
    """Several lanes: `torch.func` calls the module once, vectorised over their weights."""

    def __init__(self, module: nn.Module, layout: Layout, weights: Tensor, buffers: Buffers) -> None:
        self.module, self.layout, self.weights, self.buffers = module, layout, weights, buffers
        self.leaf = weights
        self.train_all = vmap(self._call, in_dims=(0, 0, 0))
        self.evaluate_all = vmap(self._call, in_dims=(0, 0, None))

    def _call(self, parameters: dict[str, Tensor], buffers: Buffers, images: Tensor) -> Tensor:
        logits: Tensor = functional_call(self.module, (parameters, buffers), (images,))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        self.module.train()
        # One leaf for all weights: the backward pass then ends in one concatenation, already in the rows' order.
        self.leaf = self.weights.detach().requires_grad_()
        logits: Tensor = self.train_all(dict(self.layout.unpack_rows(self.leaf)), self.buffers, images)
        return logits

    def gradients(self, loss: Tensor) -> Tensor:
        return torch.autograd.grad(loss, self.leaf)[0]

    @torch.no_grad()
    def evaluate(self, images: Tensor) -> Tensor:
        self.module.eval()
        logits: Tensor = self.evaluate_all(dict(self.layout.unpack_rows(self.weights)), self.buffers, images)
        return logits


def make_networks(module: nn.Module, layout: Layout, weights: Tensor, buffers: Buffers) -> Networks:
    """The networks of `len(weights)` lanes; `module` gives the structure and is taken over."""
    kind = LoneNetwork if len(weights) == 1 else StackedNetworks
    return kind(module, layout, weights, buffers)
