"""MSL's within-class loss as one operator: how far apart a class's logits lie in the batch.

Which pairs there are depends on the labels, so that the pairs' tensor has a shape of its own in every batch. As an
operator of its own the work may look at the labels, and still runs under `torch.func.vmap` (lanes become modules of one
call) and `torch.compile` (which sees the fixed shapes of what comes out). The step of the threshold is part of it,
because it too is quicker where numbers may be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.losses.threshold import adapt_threshold

MOST_NUMBERS = 2**26  # differences of pairs held at once, 256 MiB in single precision


def within_class_loss(
    logits: Tensor, targets: Tensor, state: Sequence[Tensor], settings: Sequence[Tensor], p: float, adapt: bool
) -> Tensor:
    """`Σ_j max(0, d_j - ξ)²`, summed over modules, 0-d; with `adapt` each module's ξ then makes its step.

    `logits` `[M * B, C]`, module after module, and their `targets` `[M * B]`; `state`, of which ξ comes first, and
    `settings` are those of `adapt_threshold`. d_j is the mean of the p-norm distance over all unordered pairs of the
    batch's samples of class j; a class with fewer than two adds nothing. Identical logits have gradient zero. Do et
    al., eqs. 3 to 5.
    """
    within, slope = torch.ops.trainables.within_class.default(
        logits.detach().contiguous(), targets, state, settings, p, adapt
    )
    # For its gradient: an operator's own takes twice as long.
    linear = (slope * logits).sum()
    return linear + (within.sum() - linear.detach())


# Not `custom_op`, whose wrappers take as long as the sum over all pairs.
torch.library.define(
    "trainables::within_class",
    "(Tensor logits, Tensor targets, Tensor(a!)[] state, Tensor[] settings, float p, bool adapt) -> (Tensor, Tensor)",
)


def _within_class(
    logits: Tensor, targets: Tensor, state: Sequence[Tensor], settings: Sequence[Tensor], p: float, adapt: bool
) -> tuple[Tensor, Tensor]:
    """Loss `[M]` and its gradient `[M * B, C]`, which costs little more here."""
    xi, classes = state[0], logits.shape[1]
    if logits.device.type == "cpu":
        groups = targets.numpy() + np.arange(0, len(xi) * classes, classes).repeat(len(targets) // len(xi))
        counts = np.bincount(groups, minlength=len(xi) * classes)
        pairs = counts * (counts - 1) // 2
    if logits.device.type == "cpu" and int(pairs.sum()) * classes <= MOST_NUMBERS:
        within, paired, slope = _from_pairs(logits, groups, counts, pairs, xi, p)
    else:  # on a GPU the size of the list of pairs would have to be fetched from it, and distances of all are cheap
        within, paired, slope = _from_all(logits, targets, xi, p)
    if adapt:
        adapt_threshold(state, settings, within, paired)
    return within, slope


def _from_pairs(
    logits: Tensor, groups: np.ndarray, counts: np.ndarray, pairs: np.ndarray, xi: Tensor, p: float
) -> tuple[Tensor, Tensor, Tensor]:
    """From a list of all pairs of one class and module; in numpy but for the long sums, as its calls cost less."""
    ends, starts, forth, back = _list_pairs(groups, counts)
    # x_i - x_j as a weighted sum of two rows: half the time of two gathers and a subtraction.
    signs = logits.new_ones(ends.shape)
    signs.numpy()[:, 1] = -1
    difference = F.embedding_bag(torch.from_numpy(ends), logits, mode="sum", per_sample_weights=signs)
    length = (difference.abs().sum(1) if p == 1 else torch.linalg.vector_norm(difference, dim=1)).numpy()
    group = groups.take(ends[:, 0])
    number = np.maximum(pairs, 1)
    means = np.bincount(group, length, len(counts)) / number
    excess = np.maximum(means.reshape(len(xi), -1) - xi.numpy()[:, np.newaxis], 0)  # without a pair 0 - ξ
    scale = (2 * excess.ravel() / number).take(group)
    if p == 1:
        difference.sign_()
    else:
        scale /= length + (length == 0)
    # A row's gradient is the sum of its pairs' directions, those where it comes second turned round.
    pair, weight = np.empty(2 * len(scale), np.int64), np.empty(2 * len(scale), length.dtype)
    pair[forth] = pair[back] = np.arange(len(scale))
    weight[forth] = scale
    weight[back] = -scale
    slope = F.embedding_bag(
        torch.from_numpy(pair), difference, torch.from_numpy(starts), mode="sum",
        per_sample_weights=torch.from_numpy(weight),
    )  # fmt: skip
    within, paired = (excess * excess).sum(1).astype(length.dtype), pairs.reshape(len(xi), -1).any(1)
    return torch.from_numpy(within), torch.from_numpy(paired), slope


def _list_pairs(groups: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of rows of one group, `[P, 2]`, and where they stand in a list of every row's pairs, row by row.

    The pairs of row i begin at `starts[i]` of that list; pair k stands at `forth[k]` for its first row and at `back[k]`
    for its second.
    """
    row = np.arange(len(groups))
    order = groups.astype(np.min_scalar_type(len(counts))).argsort(kind="stable")  # small integers are quicker
    place = np.empty_like(order)
    place[order] = row
    earlier = place - (counts.cumsum() - counts).take(groups)  # rows of the same group before this one
    later = counts.take(groups) - 1 - earlier
    sum_earlier, sum_later = earlier.cumsum(), later.cumsum()
    before = sum_earlier - earlier
    pair = np.arange(sum_later[-1])
    second = order.take(pair + (place + 1 + later - sum_later).repeat(later))
    ends = np.empty((len(pair), 2), np.int64)
    ends[:, 0], ends[:, 1] = row.repeat(later), second
    # Of a row's list, pairs with later rows come first.
    forth = pair + before.repeat(later)
    back = (sum_later + before).take(second) + earlier.repeat(later)
    return ends, before + sum_later - later, forth, back


def _from_all(logits: Tensor, targets: Tensor, xi: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    """From the distances of all samples, those of other classes left out: no shape depends on the labels."""
    rows, labels = logits.view(len(xi), -1, logits.shape[1]), targets.view(len(xi), -1)
    distance = torch.cdist(rows, rows, p, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels.unsqueeze(2) == labels.unsqueeze(1)
    zeros = rows.new_zeros(len(xi), rows.shape[2])
    counts = zeros.scatter_add(1, labels, torch.ones_like(distance[:, 0]))  # bincount waits for a GPU
    pairs = counts * (counts - 1) / 2
    number = pairs.clamp_min(1)
    excess = (zeros.scatter_add(1, labels, (distance * same).sum(2) / 2) / number - xi.unsqueeze(1)).relu()
    weights = (2 * excess / number).to(rows.dtype).gather(1, labels).unsqueeze(2) * same
    slope = torch.ops.aten._cdist_backward(weights, rows, rows, p, distance)
    return (excess * excess).sum(1).to(rows.dtype), pairs.any(1), slope.view_as(logits)


def _shapes(logits, targets, state, settings, p, adapt):  # type: ignore[no-untyped-def]
    return logits.new_empty(len(state[0])), torch.empty_like(logits)


def _stacked(info, in_dims, logits, targets, state, settings, p, adapt):  # type: ignore[no-untyped-def]
    lanes = info.batch_size

    def rows(tensor: Tensor, dim: int | None) -> Tensor:
        return tensor.expand(lanes, *tensor.shape) if dim is None else tensor.movedim(dim, 0)

    modules = state[0].shape[-1]
    flat = Tensor.view if adapt else Tensor.reshape  # what changes in place must not be a copy
    outputs = torch.ops.trainables.within_class.default(
        rows(logits, in_dims[0]).flatten(0, 1).contiguous(),
        rows(targets, in_dims[1]).flatten(),
        [flat(rows(*each), (-1,)) for each in zip(state, in_dims[2], strict=True)],
        [rows(*each).repeat_interleave(modules) for each in zip(settings, in_dims[3], strict=True)],
        p,
        adapt,
    )
    return tuple(output.unflatten(0, (lanes, -1)) for output in outputs), (0, 0)


torch.library.impl("trainables::within_class", "default", _within_class)
torch.library.register_fake("trainables::within_class", _shapes)
torch.library.register_vmap("trainables::within_class", _stacked)
