"""The losses of all lanes: lanes of one family are computed together, gradients never mix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from trainables.losses.base import Loss


@dataclass(frozen=True)
class Group:
    """Lanes whose losses share one structure. `rows` is None where they are all the lanes there are."""

    rows: Tensor | None
    compute: Callable[[Tensor, Tensor, Tensor], Tensor]


class Objective:
    """Mean loss of each lane: logits `[L, B, C]`, targets `[L, B]`, indices `[L, B]` to `[L]`."""

    def __init__(self, losses: Sequence[Loss], device: torch.device) -> None:
        members: dict[tuple[object, ...], list[int]] = {}
        for row, loss in enumerate(losses):
            members.setdefault((type(loss), *loss.structure), []).append(row)
        self.groups = [
            Group(
                None if len(rows) == len(losses) else torch.tensor(rows, device=device),
                _vectorised([losses[row] for row in rows]),
            )
            for rows in members.values()
        ]

    def __call__(self, logits: Tensor, targets: Tensor, indices: Tensor) -> Tensor:
        if self.groups[0].rows is None:
            return self.groups[0].compute(logits, targets, indices)
        result = logits.new_zeros(len(logits))
        for group in self.groups:
            rows = group.rows
            result = result.index_put((rows,), group.compute(logits[rows], targets[rows], indices[rows]))
        return result


def _vectorised(losses: Sequence[Loss]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    if len(losses) == 1:
        only = losses[0]
        return lambda logits, targets, indices: only(logits[0], targets[0], indices[0]).unsqueeze(0)
    skeleton = losses[0]
    state = stack_module_state(list(losses))

    def one(
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        logits: Tensor,
        targets: Tensor,
        indices: Tensor,
    ) -> Tensor:
        loss: Tensor = functional_call(skeleton, (parameters, buffers), (logits, targets, indices))
        return loss

    vectorised = vmap(one)
    return lambda logits, targets, indices: vectorised(*state, logits, targets, indices)
