"""The checks that compare a loss with a formula, with cross entropy, with its stacked and its compiled self."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from trainables.losses.conformance.subject import ConformanceError, Subject, call, gradients, require_same

PARTITIONING = "aot_eager_decomp_partition"  # as inductor divides a graph into forward and backward, without its code


def check_formula(subject: Subject, formula: Callable[[np.ndarray, int], float], tolerance: float = 1e-10) -> None:
    """Each sample's loss is `formula(log_q, y)`, written from the paper in plain numpy; one module, fresh loss."""
    loss, batch = subject.make(subject.num_classes), subject.batch()
    logits = batch.leaves[-1].detach().numpy()
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_q = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    expected = [formula(row, int(y)) for row, y in zip(log_q, batch.targets, strict=True)]
    require_same(
        "the loss", call(loss, batch, reduction="none"), torch.tensor(expected, dtype=torch.float64), tolerance
    )


def check_neutral(subject: Subject, tolerance: float = 1e-12) -> None:
    """The subject is cross entropy, in its value and in its gradient by the logits."""
    loss, batch = subject.make(subject.num_classes), subject.batch()
    ours, theirs = call(loss, batch), F.cross_entropy(batch.leaves[-1], batch.targets)
    require_same("the loss at the neutral setting", ours, theirs, tolerance)
    gradient, expected = (torch.autograd.grad(value, batch.leaves[-1])[0] for value in (ours, theirs))
    require_same("the gradient at the neutral setting", gradient, expected, tolerance)


def check_stacked(subjects: Sequence[Subject], tolerance: float = 1e-12) -> None:
    """Losses of one structure, stacked under `torch.func.vmap`: loss, gradients and memory as one by one."""
    alone = [subject.make(subject.num_classes) for subject in subjects]
    if len({loss.structure for loss in alone}) > 1:
        raise ConformanceError("losses of different structure cannot be stacked")
    skeleton, modules = subjects[0].make(subjects[0].num_classes), subjects[0].num_modules
    parameters, buffers = stack_module_state([copy.deepcopy(loss) for loss in alone])

    def one(learned: Any, kept: Any, logits: Sequence[Tensor], targets: Tensor, indices: Tensor) -> Tensor:
        given = (logits[0] if modules == 1 else list(logits), targets, indices)
        value: Tensor = functional_call(skeleton, (learned, kept), given)
        return value

    for size in (12, 12, 16):
        batches = [subject.batch(size, scale=1 + lane) for lane, subject in enumerate(subjects)]
        logits = [torch.stack([batch.leaves[m].detach() for batch in batches]).requires_grad_() for m in range(modules)]
        targets = torch.stack([batch.targets for batch in batches])
        indices = torch.stack([batch.indices for batch in batches])
        values = vmap(one)(parameters, buffers, tuple(logits), targets, indices)
        together = torch.autograd.grad(values.sum(), [*logits, *parameters.values()], materialize_grads=True)
        for lane, (loss, batch) in enumerate(zip(alone, batches, strict=True)):
            value = call(loss, batch)
            require_same(f"the loss of lane {lane}", values[lane], value, tolerance)
            by_itself = torch.autograd.grad(value, [*batch.leaves, *loss.parameters()], materialize_grads=True)
            for ours, theirs in zip(together, by_itself, strict=True):
                require_same(f"a gradient of lane {lane}", ours[lane], theirs, tolerance)
    for lane, loss in enumerate(alone):
        for name, buffer in loss.named_buffers():
            require_same(f"'{name}' of lane {lane}", buffers[name][lane], buffer, tolerance)


def check_compiled(subject: Subject, backend: str = PARTITIONING, tolerance: float = 1e-12) -> None:
    """Compiled as one graph: loss, gradients and memory as without, over batches of several sizes."""
    torch.compiler.reset()  # what other losses left behind counts against the number of recompilations
    plain, compiled = subject.make(subject.num_classes), subject.make(subject.num_classes)
    program = torch.compile(compiled, backend=backend, fullgraph=True)
    for size in (12, 20, subject.num_samples):
        batch = subject.batch(size)
        value = program(batch.logits, batch.targets, batch.indices)
        ours = torch.autograd.grad(value, [*batch.leaves, *compiled.parameters()], materialize_grads=True)
        again = subject.batch(size)
        theirs = gradients(plain, again)
        for one, other in zip(ours, theirs, strict=True):
            require_same("a gradient of the compiled loss", one, other, tolerance)
    for (name, buffer), other in zip(compiled.named_buffers(), plain.buffers(), strict=True):
        require_same(f"'{name}' of the compiled loss", buffer, other, tolerance)
