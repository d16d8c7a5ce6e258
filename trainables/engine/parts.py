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

CACHE_BYTES = 2**22  # of a processor, about; not asked of the machine, as a lane's last bits depend on the parts


class LargestTensor(TorchFunctionMode):
    """Notes the bytes of the largest tensor that any function gives."""

    num_bytes = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = function(*args, **(kwargs or {}))
        for each in tree_iter(outputs):
            if isinstance(each, Tensor):
                self.num_bytes = max(self.num_bytes, each.nbytes)
        return outputs


@torch.no_grad()
def bytes_per_image(module: nn.Module, images: Tensor) -> float:
    """The largest tensor that a network in evaluation mode makes of images `[B, ...]`, in bytes per image."""
    few = images[:2]  # not one: batch statistics may be taken in evaluation mode too
    with LargestTensor() as largest:
        module(few)
    return largest.num_bytes / len(few)


def lanes_per_part(num_lanes: int, num_bytes: float) -> list[slice]:
    """The lanes of each part, their numbers as even as can be; `num_bytes` is the largest tensor of one lane."""
    num_parts = math.ceil(num_lanes / max(1, int(CACHE_BYTES / max(1, num_bytes))))
    bounds = [part * num_lanes // num_parts for part in range(num_parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]
