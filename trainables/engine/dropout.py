"""Dropout whose masks are a lane's own, whatever stands beside it.

Dropout called as a function draws from torch's global generator, out of reach: a network with it trains as a lone lane
only, and what it draws after an interruption differs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WORD = 0xFFFFFFFF


class LaneDropout(nn.Module):
    """Dropout with a mask computed from a seed, the number of the call and each element's position.

    `whole_channels` drops channels of `[B, ch, ...]`, as `nn.Dropout2d` does. The two buffers are a lane's row under
    `torch.func.vmap`, so masks do not depend on neighbours; the engine seeds them anew each epoch. They are no part
    of the `state_dict`: what is trained is the network that was given.
    """

    mask_seed: Tensor
    mask_calls: Tensor

    def __init__(self, p: float, whole_channels: bool = False) -> None:
        super().__init__()
        self.p, self.whole_channels = p, whole_channels
        for name in ("mask_seed", "mask_calls"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        shape = torch.Size([*x.shape[:2], *[1] * (x.dim() - 2)]) if self.whole_channels else x.shape
        positions = torch.arange(shape.numel(), device=x.device)
        self.mask_calls.add_(1)
        low, high = self.mask_seed & WORD, self.mask_seed >> 32
        keys = [_mixed(_mixed(_mixed(a) ^ b) ^ self.mask_calls) for a, b in ((low, high), (high, low))]
        words = _mixed(_mixed(positions ^ keys[0]) ^ keys[1])
        kept = (words >= round(self.p * (WORD + 1))).view(shape)
        return x * kept * (1 / (1 - self.p) if self.p < 1 else 0.0)


def _mixed(words: Tensor) -> Tensor:
    """32-bit words, held in int64, to words that look random (Wellons' `lowbias32`)."""
    words = (words + 0x9E3779B9) & WORD  # without it zero would stay zero
    words = (words ^ (words >> 16)) * 0x7FEB352D & WORD
    words = (words ^ (words >> 15)) * 0x846CA68B & WORD
    return words ^ (words >> 16)


def use_lane_dropout(network: nn.Module) -> None:
    """Put a `LaneDropout` in the place of every `nn.Dropout`, `nn.Dropout1d`, `2d` and `3d` of a network."""
    made: dict[nn.Module, LaneDropout] = {}
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):  # named_children leaves out a second name
            if isinstance(child, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
                made.setdefault(child, LaneDropout(child.p, whole_channels=not isinstance(child, nn.Dropout)))
                setattr(parent, name, made[child])


def lane_dropouts(network: nn.Module) -> list[str]:
    """The names of a network's `LaneDropout`s, in the order of its modules."""
    return [name for name, module in network.named_modules() if isinstance(module, LaneDropout)]
