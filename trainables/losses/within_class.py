"""MSL's within-class loss as one operator: how far apart a class's logits lie in the batch.

Which pairs there are depends on the labels, so that the pairs' tensor has a shape of its own in every batch. As an
operator of its own the work may look at the labels, and still runs under `torch.func.vmap` (lanes become rows of one
call) and `torch.compile` (which sees the fixed shapes of what comes out).
"""

from __future__ import annotations

import torch
from torch import Tensor

MOST_NUMBERS = 2**26  # differences of pairs held at once, 256 MiB in single precision


def within_class_loss(logits: Tensor, targets: Tensor, xi: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """`Σ_j max(0, d_j - ξ)²` and whether there was a pair, both `[M]`: Do et al., eqs. 3 to 5.

    `logits` `[M, B, C]`, `targets` `[B]`, `xi` `[M]`. d_j is the mean of the p-norm distance over all unordered pairs
    of the batch's samples of class j; a class with fewer than two adds nothing. Identical logits have gradient zero.
    """
    rows = targets.expand(logits.shape[:-1]).contiguous()
    within, paired, slope = _within_class(logits.detach().contiguous(), rows, xi, p)
    linear = (slope * logits).sum((-2, -1))  # zero but for its gradient: an operator's own takes twice as long
    return within + (linear - linear.detach()), paired


@torch.library.custom_op("trainables::within_class", mutates_args=())
def _within_class(logits: Tensor, targets: Tensor, xi: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    """Loss `[M]`, whether there was a pair `[M]`, and the loss's gradient `[M, B, C]`: it costs little more here."""
    counts = torch.zeros(logits.shape[0], logits.shape[2], dtype=torch.long, device=logits.device)
    counts.scatter_add_(1, targets, torch.ones_like(targets))
    pairs = counts * (counts - 1) // 2
    # On a GPU the size of the list of pairs would have to be fetched from it, and distances of all are cheap.
    listed = logits.device.type == "cpu" and int(pairs.sum()) * logits.shape[2] <= MOST_NUMBERS
    compute = _from_pairs if listed else _from_all
    within, slope = compute(logits, targets, xi, p, counts, pairs)
    return within, (pairs > 0).any(1), slope


def _from_pairs(
    logits: Tensor, targets: Tensor, xi: Tensor, p: float, counts: Tensor, pairs: Tensor
) -> tuple[Tensor, Tensor]:
    """From a list of all pairs of one class and module."""
    modules, batch, classes = logits.shape
    rows = logits.view(modules * batch, classes)
    groups = (targets + classes * torch.arange(modules).unsqueeze(1)).view(-1)
    order = groups.argsort(stable=True)
    place = torch.arange(modules * batch)
    # Samples of a class are neighbours now: each is paired with those that follow it up to the end of its class.
    following = counts.view(-1).cumsum(0).index_select(0, groups.index_select(0, order)) - place - 1
    first = torch.repeat_interleave(following)
    second = torch.arange(len(first)) + (1 + place - following.cumsum(0) + following).index_select(0, first)
    left, right = order.index_select(0, first), order.index_select(0, second)
    difference = rows.index_select(0, left).sub_(rows.index_select(0, right))
    length = torch.linalg.vector_norm(difference, ord=p, dim=-1)
    group = groups.index_select(0, left)
    within, weight = _hinge(logits.new_zeros(modules * classes).index_add_(0, group, length), xi, pairs)
    scale = weight.view(-1).index_select(0, group)
    if p == 1:
        difference.sign_()
    else:
        scale = torch.where(length > 0, scale / length, 0)
    step = difference.mul_(scale.unsqueeze(1))
    slope = torch.zeros_like(rows).index_add_(0, left, step).index_add_(0, right, step, alpha=-1)
    return within, slope.view_as(logits)


def _from_all(
    logits: Tensor, targets: Tensor, xi: Tensor, p: float, counts: Tensor, pairs: Tensor
) -> tuple[Tensor, Tensor]:
    """From the distances of all samples, those of other classes left out: no shape depends on the labels."""
    distance = torch.cdist(logits, logits, p, compute_mode="donot_use_mm_for_euclid_dist")
    same = targets.unsqueeze(2) == targets.unsqueeze(1)
    sums = torch.zeros_like(counts, dtype=logits.dtype).scatter_add_(1, targets, (distance * same).sum(2) / 2)
    within, weight = _hinge(sums, xi, pairs)
    weights = weight.gather(1, targets).unsqueeze(2) * same
    slope = torch.ops.aten._cdist_backward(weights, logits, logits, p, distance)
    return within, slope


def _hinge(sums: Tensor, xi: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """The loss `[M]` from the sums of distances by class, and its derivative by each of the distances `[M, C]`."""
    number = pairs.clamp_min(1)
    excess = (sums.view_as(pairs) / number - xi.unsqueeze(1)).clamp_min(0)  # without a pair 0 - ξ
    return excess.square().sum(1), 2 * excess / number


@_within_class.register_fake
def _(logits: Tensor, targets: Tensor, xi: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    modules = logits.shape[0]
    return logits.new_empty(modules), logits.new_empty(modules, dtype=torch.bool), torch.empty_like(logits)


@_within_class.register_vmap
def _(info, in_dims, logits, targets, xi, p):  # type: ignore[no-untyped-def]
    lanes = info.batch_size
    rows = [
        tensor.expand(lanes, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        for tensor, dim in zip((logits, targets, xi), in_dims, strict=False)
    ]
    modules = rows[2].shape[1]
    outputs = _within_class(*(row.flatten(0, 1).contiguous() for row in rows), p)
    return tuple(output.unflatten(0, (lanes, modules)) for output in outputs), (0, 0, 0)
