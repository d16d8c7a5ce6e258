"""What every loss promises, as checks that any loss can be run through, one's own too.

    from trainables.losses.conformance import CHECKS, Subject
    subject = Subject(lambda num_classes: MyLoss(num_classes, alpha=0.5).double())
    for check in CHECKS:
        check(subject)

A check raises ConformanceError, in a sentence, where a promise is broken. `check_formula`, `check_neutral`,
`check_stacked` and `check_compiled` need more than the subject and are called one by one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from trainables.losses.base import Loss

Logits = Tensor | list[Tensor]
HUGE = 1e4


class ConformanceError(AssertionError):
    """A loss does not keep a promise."""


@dataclass(frozen=True)
class Batch:
    """What a loss is called with; `leaves` are the tensors that gradients are taken of."""

    logits: Logits
    targets: Tensor
    indices: Tensor

    @property
    def leaves(self) -> list[Tensor]:
        return [self.logits] if isinstance(self.logits, Tensor) else self.logits

    def rows(self, part: slice) -> Batch:
        """Some of the samples."""
        leaves = [leaf.detach()[part].requires_grad_() for leaf in self.leaves]
        return Batch(leaves[0] if isinstance(self.logits, Tensor) else leaves, self.targets[part], self.indices[part])


@dataclass(frozen=True)
class Subject:
    """A loss to be checked: `make(num_classes)` gives a fresh one in double precision, always the same.

    A loss with a memory of samples remembers at least `num_samples`; one with attached modules takes `num_modules`
    logits, in a list where that is more than one.
    """

    make: Callable[[int], Loss]
    num_classes: int = 5
    num_samples: int = 64
    num_modules: int = 1

    def batch(
        self, size: int = 12, *, scale: float = 3.0, dtype: torch.dtype = torch.float64, num_classes: int | None = None
    ) -> Batch:
        """Random logits of that scale; the same for the same arguments."""
        classes = num_classes or self.num_classes
        generator = torch.Generator().manual_seed(size)
        drawn = torch.randn(self.num_modules, size, classes, generator=generator, dtype=torch.float64) * scale
        leaves = [each.to(dtype).requires_grad_() for each in drawn.unbind()]
        targets = torch.randint(0, classes, (size,), generator=generator)
        indices = torch.randperm(self.num_samples, generator=generator)[:size]
        return Batch(leaves[0] if self.num_modules == 1 else leaves, targets, indices)

    def experienced(self, dtype: torch.dtype = torch.float64) -> Loss:
        """A loss that has seen a few batches, so that what it remembers is not where it began; in evaluation mode."""
        loss = self.make(self.num_classes).train()
        for size in (self.num_samples, 12):
            call(loss, self.batch(size))
        return loss.to(dtype).eval()


def call(loss: Loss, batch: Batch, **options: Any) -> Tensor:
    """The loss of a batch."""
    value: Tensor = loss(batch.logits, batch.targets, batch.indices, **options)
    return value


def gradients(loss: Loss, batch: Batch) -> list[Tensor]:
    """Of the loss of a batch, by its logits and by what the loss learns."""
    leaves = [*batch.leaves, *loss.parameters()]
    return list(torch.autograd.grad(call(loss, batch), leaves, materialize_grads=True))


# -- checks that need the subject alone ----------------------------------------------------------------------------


def check_reduction(subject: Subject) -> None:
    """The loss of a batch is the mean over its samples plus the batch's term."""
    loss, batch = subject.experienced(), subject.batch()
    each = call(loss, batch, reduction="none")
    if each.shape != batch.targets.shape:
        raise ConformanceError(f"reduction='none' gives shape {tuple(each.shape)} for {len(batch.targets)} samples")
    term = loss.batch_term(batch.logits, batch.targets)  # type: ignore[arg-type]
    _same("the mean of the samples' losses and the batch's term", each.mean() + (0 if term is None else term),
          call(loss, batch))  # fmt: skip


def check_gradient(subject: Subject) -> None:
    """Autograd's gradient is that of finite differences, by the logits and by what the loss learns."""
    loss, batch = subject.experienced(), subject.batch(8)
    names = [name for name, _ in loss.named_parameters()]
    parameters = [parameter.detach().clone().requires_grad_() for parameter in loss.parameters()]

    def value(*leaves: Tensor) -> Tensor:
        logits = list(leaves[: subject.num_modules])
        learned = dict(zip(names, leaves[subject.num_modules :], strict=True))
        given = (logits[0] if subject.num_modules == 1 else logits, batch.targets, batch.indices)
        result: Tensor = functional_call(loss, learned, given)
        return result

    try:
        torch.autograd.gradcheck(value, (*batch.leaves, *parameters))
    except RuntimeError as problem:
        raise ConformanceError(f"the gradient is not that of finite differences: {problem}") from None


def check_extremes(subject: Subject) -> None:
    """Loss and gradient are finite for logits of +-10,000, sure and right or sure and wrong, in single precision."""
    loss, classes = subject.make(subject.num_classes).float(), subject.num_classes
    for case, logits in {"right": 2 * torch.eye(classes) - 1, "wrong": 1 - 2 * torch.eye(classes)}.items():
        leaves = [(HUGE * logits).requires_grad_() for _ in range(subject.num_modules)]
        batch = Batch(leaves[0] if subject.num_modules == 1 else leaves, torch.arange(classes), torch.arange(classes))
        _finite(f"logits of +-{HUGE:g}, sure and {case}", loss, batch)


def check_one_class(subject: Subject) -> None:
    """Loss and gradient are finite where there is one class only."""
    _finite("one class", subject.make(1).float(), subject.batch(4, dtype=torch.float32, num_classes=1))


def check_absent_classes(subject: Subject) -> None:
    """Loss and gradient are finite where the batch has one class of several."""
    batch = subject.batch(dtype=torch.float32)
    only = Batch(batch.logits, torch.full_like(batch.targets, subject.num_classes - 1), batch.indices)
    _finite("a batch of one class", subject.make(subject.num_classes).float(), only)


def check_batch_of_one(subject: Subject) -> None:
    """A batch of one has that sample's loss, and a finite gradient."""
    loss, batch = subject.experienced(), subject.batch()
    _same("the loss of a sample alone", call(loss, batch.rows(slice(3, 4)), reduction="none"),
          call(loss, batch, reduction="none")[3:4])  # fmt: skip
    _finite("a batch of one", loss, batch.rows(slice(3, 4)))


def check_autocast(subject: Subject) -> None:
    """Under autocast to bfloat16 and float16 the loss is that of the same logits in single precision."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(16, 8, generator=generator)
    targets, indices = torch.arange(16) % subject.num_classes, torch.arange(16)
    for dtype, scales in {torch.bfloat16: (1.0, HUGE), torch.float16: (1.0, 100.0)}.items():
        for scale in scales:
            loss = subject.experienced(torch.float32)
            weight = (torch.randn(subject.num_classes, 8, generator=generator) * scale).requires_grad_()
            with torch.autocast("cpu", dtype=dtype):
                logits = F.linear(images, weight)
                given: Logits = logits if subject.num_modules == 1 else [logits] * subject.num_modules
                value = call(loss, Batch(given, targets, indices))
            (gradient,) = torch.autograd.grad(value, weight)
            if not torch.isfinite(gradient).all():
                raise ConformanceError(f"under autocast to {dtype} at scale {scale:g} the gradient is not finite")
            plain = logits.detach().float()
            single = call(
                loss, Batch(plain if subject.num_modules == 1 else [plain] * subject.num_modules, targets, indices)
            )
            _same(f"the loss under autocast to {dtype} at scale {scale:g}", value.float(), single, 0.02)


def check_memory(subject: Subject) -> None:
    """Training alone changes what is remembered, in place; hyperparameters never change."""
    loss = subject.make(subject.num_classes)
    unknown = set(loss.memory) - {name for name, _ in loss.named_buffers()}
    if unknown:
        raise ConformanceError(f"memory names {sorted(unknown)}, which are no buffers")
    buffers = dict(loss.named_buffers())
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    call(loss.eval(), subject.batch())
    for name, buffer in buffers.items():
        if not torch.equal(buffer, before[name]):
            raise ConformanceError(f"evaluation changed '{name}'")
    call(loss.train(), subject.batch())
    for name, buffer in loss.named_buffers():
        if buffer is not buffers[name]:
            raise ConformanceError(f"'{name}' was replaced in training, not changed in place: it could not be stacked")
        if name not in loss.memory and not torch.equal(buffer, before[name]):
            raise ConformanceError(f"training changed '{name}', which is not named in memory")


def check_state(subject: Subject) -> None:
    """A loss restored from its state goes on exactly as the one that was saved."""
    saved = subject.experienced()
    with torch.no_grad():
        for parameter in saved.parameters():
            parameter.mul_(0.9)
    restored = subject.make(subject.num_classes)
    restored.load_state_dict(copy.deepcopy(saved.state_dict()))
    for size in (12, 8, 12):
        batch = subject.batch(size)
        ours, theirs = call(restored.train(), batch), call(saved.train(), batch)
        if not torch.equal(ours, theirs):
            raise ConformanceError(f"after restoring, the loss is {ours.detach():g} and should be {theirs.detach():g}")
    for name, value in saved.state_dict().items():
        if not torch.equal(restored.state_dict()[name], value):
            raise ConformanceError(f"after restoring, '{name}' went another way")


def check_reports(subject: Subject) -> None:
    """Metrics are 0-d and finite, arrays `[C]` or `[C, C]`, warnings sentences."""
    loss, classes = subject.experienced(), subject.num_classes
    for name, value in loss.metrics().items():
        if value.shape != () or not torch.isfinite(value):
            raise ConformanceError(f"metric '{name}' is not one finite number")
    for name, value in loss.arrays().items():
        if value.shape not in ((classes,), (classes, classes)):
            raise ConformanceError(f"array '{name}' has shape {tuple(value.shape)}, neither [C] nor [C, C]")
    if not all(isinstance(sentence, str) and sentence for sentence in loss.warnings()):
        raise ConformanceError("a warning is not a sentence")


CHECKS: tuple[Callable[[Subject], None], ...] = (
    check_reduction, check_gradient, check_extremes, check_one_class, check_absent_classes, check_batch_of_one,
    check_autocast, check_memory, check_state, check_reports,
)  # fmt: skip


# -- checks that need something more -------------------------------------------------------------------------------


def check_formula(subject: Subject, formula: Callable[[np.ndarray, int], float], tolerance: float = 1e-10) -> None:
    """Each sample's loss is `formula(log_q, y)`, written from the paper in plain numpy; one module, fresh loss."""
    loss, batch = subject.make(subject.num_classes), subject.batch()
    logits = batch.leaves[-1].detach().numpy()
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_q = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    expected = [formula(row, int(y)) for row, y in zip(log_q, batch.targets, strict=True)]
    _same("the loss", call(loss, batch, reduction="none"), torch.tensor(expected, dtype=torch.float64), tolerance)


def check_neutral(subject: Subject, tolerance: float = 1e-12) -> None:
    """The subject is cross entropy, in its value and in its gradient by the logits."""
    loss, batch = subject.make(subject.num_classes), subject.batch()
    ours, theirs = call(loss, batch), F.cross_entropy(batch.leaves[-1], batch.targets)
    _same("the loss at the neutral setting", ours, theirs, tolerance)
    gradient, expected = (torch.autograd.grad(value, batch.leaves[-1])[0] for value in (ours, theirs))
    _same("the gradient at the neutral setting", gradient, expected, tolerance)


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
            _same(f"the loss of lane {lane}", values[lane], value, tolerance)
            by_itself = torch.autograd.grad(value, [*batch.leaves, *loss.parameters()], materialize_grads=True)
            for ours, theirs in zip(together, by_itself, strict=True):
                _same(f"a gradient of lane {lane}", ours[lane], theirs, tolerance)
    for lane, loss in enumerate(alone):
        for name, buffer in loss.named_buffers():
            _same(f"'{name}' of lane {lane}", buffers[name][lane], buffer, tolerance)


def check_compiled(subject: Subject, backend: str = "aot_eager", tolerance: float = 1e-12) -> None:
    """Compiled as one graph: loss, gradients and memory as without."""
    torch.compiler.reset()  # what other losses left behind counts against the number of recompilations
    plain, compiled = subject.make(subject.num_classes), subject.make(subject.num_classes)
    program = torch.compile(compiled, backend=backend, fullgraph=True)
    for size in (12, 12):
        batch = subject.batch(size)
        value = program(batch.logits, batch.targets, batch.indices)
        ours = torch.autograd.grad(value, [*batch.leaves, *compiled.parameters()], materialize_grads=True)
        again = subject.batch(size)
        theirs = gradients(plain, again)
        for one, other in zip(ours, theirs, strict=True):
            _same("a gradient of the compiled loss", one, other, tolerance)
    for (name, buffer), other in zip(compiled.named_buffers(), plain.buffers(), strict=True):
        _same(f"'{name}' of the compiled loss", buffer, other, tolerance)


def _same(what: str, found: Tensor, expected: Tensor, tolerance: float = 1e-12) -> None:
    found, expected = found.detach(), expected.detach().to(found.dtype)
    if found.shape != expected.shape:
        raise ConformanceError(f"{what} has shape {tuple(found.shape)} and should have {tuple(expected.shape)}")
    if not torch.allclose(found, expected, rtol=tolerance, atol=tolerance):
        worst = float((found - expected).abs().max())
        raise ConformanceError(f"{what} is off by {worst:.3g}, more than {tolerance:g}")


def _finite(case: str, loss: Loss, batch: Batch) -> None:
    if not torch.isfinite(call(loss, batch)):
        raise ConformanceError(f"{case}: the loss is not finite")
    if not all(torch.isfinite(gradient).all() for gradient in gradients(loss, batch)):
        raise ConformanceError(f"{case}: the gradient is not finite")
