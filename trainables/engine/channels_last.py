"""Images channels last in memory, the order in which CPUs compute convolutions and pooling fastest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def channels_last(images: Tensor) -> Tensor:
    """Images `[B, channels, height, width]` in that order; only strides tell where there is a single channel."""
    if images.shape[1] > 1:
        return images.contiguous(memory_format=torch.channels_last)
    return images.contiguous().view(-1, *images.shape[2:], 1).movedim(-1, 1)


def wants_channels_last(module: nn.Module, images: Tensor) -> bool:
    """Whether a network has convolutions, on a CPU, and none of its functions needs the usual order.

    That would be `view` of what channels last cannot be viewed as, and `as_strided`. Found out by trying, in training
    and in evaluation mode; buffers and torch's random numbers are put back afterwards.
    """
    if images.device.type != "cpu" or images.dim() != 4:
        return False
    training, buffers = module.training, [(buffer, buffer.clone()) for buffer in module.buffers()]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), _Watch() as watch:
            for mode in (True, False):
                module.train(mode)(channels_last(images))
    except RuntimeError:  # where it is another error, the usual order will show it
        return False
    finally:
        module.train(training)
        for buffer, kept in buffers:
            buffer.copy_(kept)
    return watch.convolves and not watch.strides


class _Watch(TorchFunctionMode):
    """Notes convolutions and reading by strides."""

    convolves = strides = False

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.convolves |= function is torch.conv2d
        self.strides |= function in (torch.as_strided, Tensor.as_strided)
        return function(*args, **(kwargs or {}))
