"""A program's training step as one CUDA graph: the host launches it in one call instead of a few hundred.

Small networks on a GPU wait for the host that launches their kernels. The step has no synchronisation and its tensors
stay in place while a program lives, so it can be captured once and replayed; a program that is made anew, as lanes join
or leave, captures anew. What is captured is kernels: Python in a network or a loss runs for the first steps alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

WARM_UP = 3  # steps before a capture, in which libraries choose their algorithms and get their memory
SWITCH = "LOSS_STUDY_CUDA_GRAPHS"  # 1: graphs; not the default before a GPU has passed `benchmarks.gpu`'s checks

Step = Callable[..., tuple[Tensor, ...]]
Capture = Callable[[Step, Sequence[Tensor]], tuple[Callable[[], None], tuple[Tensor, ...]]]


class Steps(Protocol):
    """Runs a program's steps. What it gives holds until the next step."""

    def run(self, step: Step, *inputs: Tensor) -> tuple[Tensor, ...]: ...


class Eager:
    """Every step by itself."""

    def run(self, step: Step, *inputs: Tensor) -> tuple[Tensor, ...]:
        return step(*inputs)


class Graphed:
    """The first steps on a side stream, then one graph for all whose inputs have the first one's shapes.

    Batches of another shape, as an epoch's last, run by themselves. So does everything where the capture fails, and the
    log says why. The step is given with each call, not kept: a program and its graph then go as soon as nobody wants
    them, and the graph's memory with them.
    """

    def __init__(self, capture: Capture, beside: Callable[[Step, Sequence[Tensor]], tuple[Tensor, ...]]) -> None:
        self.capture, self.beside = capture, beside
        self.shapes: list[torch.Size] = []
        self.steps, self.failed = 0, False
        self.replay: Callable[[], None] | None = None
        self.inputs: list[Tensor] = []
        self.outputs: tuple[Tensor, ...] = ()

    def run(self, step: Step, *inputs: Tensor) -> tuple[Tensor, ...]:
        shapes = [each.shape for each in inputs]
        self.shapes = self.shapes or shapes
        if self.failed or shapes != self.shapes:
            return step(*inputs)
        if self.steps < WARM_UP:
            self.steps += 1
            return self.beside(step, inputs)
        if self.replay is None and not self._captured(step, inputs):
            return step(*inputs)
        assert self.replay is not None
        for ours, given in zip(self.inputs, inputs, strict=True):
            ours.copy_(given)
        self.replay()
        return self.outputs

    def _captured(self, step: Step, inputs: Sequence[Tensor]) -> bool:
        self.inputs = [each.clone() for each in inputs]
        try:
            self.replay, self.outputs = self.capture(step, self.inputs)
        except RuntimeError as problem:
            self.inputs, self.failed = [], True
            logger.warning("training without a CUDA graph, which could not be captured: %s", str(problem)[:300])
        return not self.failed


def capture_graph(step: Step, inputs: Sequence[Tensor]) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
    """A step on these inputs as a graph, not yet run, and what it will write its outputs to.

    Other threads may copy from the GPU meanwhile: they save lanes.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = step(*inputs)
    return graph.replay, outputs


def on_side_stream(step: Step, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """A step on another stream than the usual one, between what came before and what comes after."""
    usual, side = torch.cuda.current_stream(), torch.cuda.Stream()
    side.wait_stream(usual)
    with torch.cuda.stream(side):
        outputs = step(*inputs)
    usual.wait_stream(side)
    return outputs


def make_steps(device: torch.device) -> Steps:
    """How a program's steps run on a device: one by one, or graphed on a GPU where the environment asks for it."""
    if device.type == "cuda" and os.environ.get(SWITCH) == "1":
        return Graphed(capture_graph, on_side_stream)
    return Eager()
