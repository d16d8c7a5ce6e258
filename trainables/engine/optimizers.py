"""Optimisers on all lanes at once: weights and gradients `[L, P]`, hyperparameters `[L, 1]`.

One step is torch.optim's, to rounding: tested against it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from trainables.names import unknown_name

Columns = dict[str, Tensor]

ADAM_EPSILON = 1e-8


class Optimizer(ABC):
    """Moves weights in place. `slots` names its memory, `[L, P]`, or `[L, 1]` where listed in `counters`."""

    slots: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()
    hyperparameters: tuple[str, ...] = ()

    @abstractmethod
    def step(self, weights: Tensor, gradients: Tensor, memory: Columns, lr: Tensor, columns: Columns) -> None:
        """One step. `gradients` may be overwritten."""


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, its weight decay added to the gradient."""

    slots = ("momentum",)
    hyperparameters = ("momentum", "weight_decay")

    def __init__(self, nesterov: bool) -> None:
        self.nesterov = nesterov

    def step(self, weights: Tensor, gradients: Tensor, memory: Columns, lr: Tensor, columns: Columns) -> None:
        gradients.addcmul_(weights, columns["weight_decay"])
        velocity = memory["momentum"].mul_(columns["momentum"]).add_(gradients)
        direction = gradients.addcmul_(velocity, columns["momentum"]) if self.nesterov else velocity
        weights.addcmul_(direction, lr, value=-1)


class Adam(Optimizer):
    """Adam, its weight decay added to the gradient (Kingma and Ba, 2015)."""

    slots = ("mean", "square")
    counters = ("steps",)
    hyperparameters = ("beta1", "beta2", "weight_decay")

    def step(self, weights: Tensor, gradients: Tensor, memory: Columns, lr: Tensor, columns: Columns) -> None:
        gradients.addcmul_(weights, columns["weight_decay"])
        _adam_step(weights, gradients, memory, lr, columns)


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    slots = Adam.slots
    counters = Adam.counters
    hyperparameters = Adam.hyperparameters

    def step(self, weights: Tensor, gradients: Tensor, memory: Columns, lr: Tensor, columns: Columns) -> None:
        weights.mul_(1 - lr * columns["weight_decay"])
        _adam_step(weights, gradients, memory, lr, columns)


def _adam_step(weights: Tensor, gradients: Tensor, memory: Columns, lr: Tensor, columns: Columns) -> None:
    beta1, beta2, steps = columns["beta1"], columns["beta2"], memory["steps"].add_(1)
    mean = memory["mean"].lerp_(gradients, 1 - beta1)
    square = memory["square"].mul_(beta2).addcmul_(gradients.square(), 1 - beta2)
    scale = (square / (1 - beta2**steps)).sqrt_().add_(ADAM_EPSILON)
    weights.addcmul_(mean / scale, lr / (1 - beta1**steps), value=-1)


OPTIMIZERS = ("sgd", "adam", "adamw")


def make_optimizer(name: str, nesterov: bool = False) -> Optimizer:
    """The optimiser called `name`, one of OPTIMIZERS; ValueError for another."""
    match name:
        case "sgd":
            return SGD(nesterov)
        case "adam":
            return Adam()
        case "adamw":
            return AdamW()
    raise ValueError(unknown_name("optimizer", name, OPTIMIZERS, "optimizers"))


def clip(gradients: Tensor, max_norm: Tensor) -> None:
    """Scale each lane's gradient in place so that its Euclidean norm is at most `max_norm` `[L, 1]`; inf leaves it."""
    norms = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
    factors = (max_norm / (norms + 1e-6)).clamp(max=1.0)
    gradients.mul_(factors.masked_fill(max_norm == torch.inf, 1.0))  # a norm that overflowed would make it inf/inf
