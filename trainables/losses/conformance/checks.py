"""The checks that need nothing but the loss."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from trainables.losses.base import Loss
from trainables.losses.conformance.subject import (
    Batch,
    ConformanceError,
    Logits,
    Subject,
    call,
    gradients,
    require_same,
)

HUGE = 1e4


def check_reduction(subject: Subject) -> None:
    """The loss of a batch is the mean over its samples plus the batch's term."""
    loss, batch = subject.experienced(), subject.batch()
    each = call(loss, batch, reduction="none")
    if each.shape != batch.targets.shape:
        raise ConformanceError(f"reduction='none' gives shape {tuple(each.shape)} for {len(batch.targets)} samples")
    term = loss.batch_term(batch.logits, batch.targets)  # type: ignore[arg-type]  # MSL takes a list
    require_same("the mean of the samples' losses and the batch's term", each.mean() + (0 if term is None else term),
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
        _require_finite(f"logits of +-{HUGE:g}, sure and {case}", loss, batch)


def check_one_class(subject: Subject) -> None:
    """Loss and gradient are finite where there is one class only."""
    _require_finite("one class", subject.make(1).float(), subject.batch(4, dtype=torch.float32, num_classes=1))


def check_absent_classes(subject: Subject) -> None:
    """Loss and gradient are finite where the batch has one class of several."""
    batch = subject.batch(dtype=torch.float32)
    only = Batch(batch.logits, torch.full_like(batch.targets, subject.num_classes - 1), batch.indices)
    _require_finite("a batch of one class", subject.make(subject.num_classes).float(), only)


def check_batch_of_one(subject: Subject) -> None:
    """A batch of one has that sample's loss, and a finite gradient."""
    loss, batch = subject.experienced(), subject.batch()
    require_same("the loss of a sample alone", call(loss, batch.rows(slice(3, 4)), reduction="none"),
          call(loss, batch, reduction="none")[3:4])  # fmt: skip
    _require_finite("a batch of one", loss, batch.rows(slice(3, 4)))


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
            require_same(f"the loss under autocast to {dtype} at scale {scale:g}", value.float(), single, 0.02)


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


def _require_finite(case: str, loss: Loss, batch: Batch) -> None:
    if not torch.isfinite(call(loss, batch)):
        raise ConformanceError(f"{case}: the loss is not finite")
    if not all(torch.isfinite(gradient).all() for gradient in gradients(loss, batch)):
        raise ConformanceError(f"{case}: the gradient is not finite")
