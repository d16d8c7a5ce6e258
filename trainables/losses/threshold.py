"""The adaptive threshold ξ of MSL."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def adapt_threshold(state: Sequence[Tensor], settings: Sequence[Tensor], within: Tensor, paired: Tensor) -> None:
    """Count an iteration in, and lower ξ where a full window's mean is that of the window before; in place.

    `state`, each `[M]`: ξ, the window's sum and count, the mean of the window before (-1: none yet). `settings`, each
    0-d or `[M]`: patience, tolerance, ξ's decay and floor. `within` is the iteration's within-class loss of each
    module, `paired` whether it had a pair. Do et al., eq. 6, as `MixtureSeparability` says.
    """
    xi, total, count, before = state
    patience, tolerance, decay, floor = settings
    total.add_(within)  # 0 without a pair
    filling = count.add_(paired) < patience
    if xi.device.type == "cpu" and filling.all():  # nearly always; a GPU would have to be waited for
        return
    mean = total / patience
    changed = (mean - before).abs_() > tolerance * before
    xi.copy_(torch.where(changed.logical_or_(filling), xi, torch.maximum(xi * decay, floor)))
    before.copy_(torch.where(filling, before, mean))
    total.mul_(filling)
    count.mul_(filling)
