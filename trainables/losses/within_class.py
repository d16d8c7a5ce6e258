"""MSL's within-class loss as one operator: how far apart a class's logits lie in the batch.

Which pairs there are depends on the labels, so that the pairs' tensor has a shape of its own in every batch. As an
operator of its own the work may look at the labels, and still runs under `torch.func.vmap` (lanes become rows of one
call) and `torch.compile` (which sees the fixed shapes of what comes out).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_NUMBERS = 2**26  # differences of pairs held at once, 256 MiB in single precision


def within_class_loss(logits: Tensor, targets: Tensor, xi: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    """`Σ_j max(0, d_j - ξ)²`: summed over modules, 0-d; of each, detached, `[M]`; and whether it had a pair, `[M]`.

    `logits` `[M, B, C]`, `targets` `[B]`, `xi` `[M]`. d_j is the mean of the p-norm distance over all unordered pairs
    of the batch's samples of class j; a class with fewer than two adds nothing. Identical logits have gradient zero.
    Do et al., eqs. 3 to 5.
    """
    rows = targets.expand(logits.shape[:-1]).contiguous()
    within, paired, slope = _within_class(logits.detach().contiguous(), rows, xi, p)
    linear = (slope * logits).sum()  # for its gradient: an operator's own takes twice as long
    return linear + (within.sum() - linear.detach()), within, paired


@torch.library.custom_op("trainables::within_class", mutates_args=())
def _within_class(logits: Tensor, targets: Tensor, xi: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    """Loss `[M]`, whether there was a pair `[M]`, and the loss's gradient `[M, B, C]`: it costs little more here."""
    modules, _, classes = logits.shape
    groups = targets if modules == 1 else targets + classes * torch.arange(modules, device=targets.device).unsqueeze(1)
    # scatter_add_, because bincount waits for a GPU.
    counts = groups.new_zeros(modules * classes).scatter_add_(0, groups.flatten(), torch.ones_like(groups).flatten())
    pairs = (counts * counts).sub_(counts).bitwise_right_shift_(1)
    # On a GPU the size of the list of pairs would have to be fetched from it, and distances of all are cheap.
    listed = logits.device.type == "cpu" and int(pairs.sum()) * classes <= MOST_NUMBERS
    within, slope = (_from_pairs if listed else _from_all)(logits, groups, xi, p, counts, pairs)
    return within, pairs.view(modules, classes).any(1), slope


def _from_pairs(
    logits: Tensor, groups: Tensor, xi: Tensor, p: float, counts: Tensor, pairs: Tensor
) -> tuple[Tensor, Tensor]:
    """From a list of all pairs of one class and module; samples in order of class, so that a class's are neighbours."""
    group, order = groups.flatten().sort()
    rows = logits.view(len(order), -1).index_select(0, order)
    ends = counts.cumsum(0)
    # Each sample is paired with those that follow it up to the end of its class.
    place = torch.arange(1, len(order) + 1)
    following = ends.index_select(0, group) - place
    first = torch.repeat_interleave(following)
    second = torch.arange(len(first)).add_((place + following).sub_(following.cumsum(0)).index_select(0, first))
    difference = rows.index_select(0, first).sub_(rows.index_select(0, second))
    length = torch.linalg.vector_norm(difference, ord=p, dim=-1)
    within, weight = _hinge(torch.segment_reduce(length, "sum", lengths=pairs, unsafe=True, initial=0), xi, pairs)
    scale = weight.index_select(0, group).index_select(0, first)
    if p == 1:
        step = difference.sign_().mul_(scale.unsqueeze(1))
        slope = torch.zeros_like(rows).index_add_(0, first, step).index_add_(0, second, step, alpha=-1)
    else:
        scale = scale.div_(length).nan_to_num_(0, 0, 0)
        slope = _pull(rows, (ends - counts).index_select(0, group), int(counts.max()), first, second, scale)
    return within, torch.empty_like(logits).view_as(slope).index_copy_(0, order, slope).view_as(logits)


def _pull(rows: Tensor, starts: Tensor, most: int, first: Tensor, second: Tensor, scale: Tensor) -> Tensor:
    """Σ_j s_ij (x_i - x_j) for every row i, `[B, C]`, from the pairs' s; a row's class begins at `starts` `[B]`.

    As a weighted sum of the rows of the class, of which the largest has `most`: no difference is read again.
    """
    offset = torch.arange(0, len(rows) * most, most).sub_(starts)
    weights = rows.new_zeros(len(rows) * most)
    weights.scatter_(0, offset.index_select(0, first).add_(second), scale)
    weights.scatter_(0, offset.index_select(0, second).add_(first), scale)
    weights = weights.view(-1, most)
    members = starts.unsqueeze(1) + torch.arange(most)
    others = F.embedding_bag(members.clamp_max_(len(rows) - 1), rows, mode="sum", per_sample_weights=weights)
    return others.neg_().addcmul_(rows, weights.sum(1, keepdim=True))


def _from_all(
    logits: Tensor, groups: Tensor, xi: Tensor, p: float, counts: Tensor, pairs: Tensor
) -> tuple[Tensor, Tensor]:
    """From the distances of all samples, those of other classes left out: no shape depends on the labels."""
    distance = torch.cdist(logits, logits, p, compute_mode="donot_use_mm_for_euclid_dist")
    same = groups.unsqueeze(2) == groups.unsqueeze(1)
    sums = logits.new_zeros(len(counts)).scatter_add_(0, groups.flatten(), (distance * same).sum(2).flatten() / 2)
    within, weight = _hinge(sums, xi, pairs)
    weights = weight.index_select(0, groups.flatten()).view_as(groups).unsqueeze(2) * same
    return within, torch.ops.aten._cdist_backward(weights, logits, logits, p, distance)


def _hinge(sums: Tensor, xi: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """The loss `[M]` from the sums of distances by class `[M * C]`, and its derivative by each of the distances."""
    number = pairs.clamp_min(1)
    excess = ((sums / number).view(len(xi), -1) - xi.unsqueeze(1)).relu_()  # without a pair 0 - ξ
    return (excess * excess).sum(1), (excess + excess).view(-1).div_(number)


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
