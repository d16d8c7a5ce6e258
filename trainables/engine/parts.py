"""How many lanes go through a network at a time.

All at once is best where the price of a call counts. Where activations are large it counts little, and what one
function wrote should still be in the processor's cache when the next one reads it.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter

from trainables.engine.folding import RULES

CACHE_BYTES = 2**22  # of a processor, about; not asked of the machine, as a lane's last bits depend on the parts


class _Watch(TorchFunctionMode):
    """Notes the bytes of the largest tensor that any function gives, and whether one of them folds."""

    num_bytes, folds = 0, False

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = function(*args, **(kwargs or {}))
        self.folds |= function in RULES
        for each in tree_iter(outputs):
            if isinstance(each, Tensor):
                self.num_bytes = max(self.num_bytes, each.nbytes)
        return outputs


@torch.no_grad()
def folded_bytes(module: nn.Module, images: Tensor) -> float:
    """The largest tensor that a network in evaluation mode makes of images `[B, ...]`, in bytes per image.

    0 where it has no function that lanes fold into: vmap's own rules serve it best, all lanes at once.
    """
    few = images[:2]  # not one: batch statistics may be taken in evaluation mode too
    with _Watch() as watch:
        module(few)
    return watch.num_bytes / len(few) if watch.folds else 0.0


def lanes_per_part(num_lanes: int, num_bytes: float) -> list[slice]:
    """The lanes of each part, their numbers as even as can be; `num_bytes` is the largest tensor of one lane."""
    most = max(1, int(CACHE_BYTES / num_bytes)) if num_bytes else num_lanes
    num_parts = math.ceil(num_lanes / most)
    bounds = [part * num_lanes // num_parts for part in range(num_parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]
