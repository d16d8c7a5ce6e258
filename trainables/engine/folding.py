"""Lanes as channels: convolution, pooling and batch normalisation of all lanes in one ordinary call.

`torch.func.vmap` has rules of its own for these, which go through layouts that CPUs compute slowly. Inside it
`LanesAsChannels` takes these calls, whoever makes them, lays the lanes beside one another as channels
`[B, L * C, H, W]`, channels last in memory, and calls the plain function, a convolution with L times as many groups.
What comes out keeps that order in memory, so that elementwise functions between two of them copy nothing. Autograd
records the plain functions. Anything else goes through vmap's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from trainables.engine.channels_last import channels_last

# No public name opens a vectorised tensor without the price of a custom operator, 0.1 ms a call.
_functorch: Any = torch._C._functorch

Size = int | Sequence[int]


class LanesAsChannels(TorchFunctionMode):
    """For a network inside `vmap`, entered there."""

    def __enter__(self) -> LanesAsChannels:
        self.level = _functorch.maybe_current_level()
        return super().__enter__()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        rule = RULES.get(function)
        result = NotImplemented if rule is None else rule(self, *args, **kwargs)
        return _call(function, args, kwargs) if result is NotImplemented else result

    def lanes(self, *tensors: Tensor | None) -> int:
        """How many lanes these have; 0 where they have none, or where the module vectorises or differentiates them."""
        count = 0
        for tensor in tensors:
            if tensor is None or not _functorch.is_functorch_wrapped_tensor(tensor):
                continue
            if not _functorch.is_batchedtensor(tensor) or _functorch.maybe_get_level(tensor) != self.level:
                return 0
            count = _functorch.get_unwrapped(tensor).shape[_functorch.maybe_get_bdim(tensor)]
        return count

    def rows(self, tensor: Tensor, lanes: int) -> Tensor:
        """`[L, ...]`; what all lanes share is repeated, without a copy."""
        if _functorch.is_batchedtensor(tensor):
            return _functorch.get_unwrapped(tensor).movedim(_functorch.maybe_get_bdim(tensor), 0)
        return tensor.expand(lanes, *tensor.shape)

    def channels(self, tensor: Tensor, lanes: int) -> Tensor:
        """`[B, C, ...]` of each lane as `[B, L * C, ...]`: a view of what `split` gave."""
        return self.rows(tensor, lanes).transpose(0, 1).flatten(1, 2)

    def vector(self, tensor: Tensor | None, lanes: int) -> Tensor | None:
        """`[C]` of each lane as `[L * C]`; None stays."""
        # One number of each lane is viewed with gaps between, for which batch_norm's backward pass does not look.
        return None if tensor is None else self.rows(tensor, lanes).flatten().contiguous()

    def is_plain(self, tensor: Tensor) -> bool:
        """Whether `vector` is a view of it, so that what changes there changes here."""
        return _functorch.is_batchedtensor(tensor) and self.rows(tensor, 0).is_contiguous()

    def split(self, tensor: Tensor, lanes: int) -> Tensor:
        """`[B, L * C, ...]` as `[B, C, ...]` of each lane."""
        return _functorch._add_batch_dim(tensor.unflatten(1, (lanes, -1)), 1, self.level)


def _call(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The function itself; one that cannot read this order in memory, as `view` often cannot, gets a plain copy."""
    if function is torch.Tensor.as_strided or function is torch.as_strided:  # it would read the wrong numbers
        return function(args[0].contiguous(), *args[1:], **kwargs)
    try:
        return function(*args, **kwargs)
    except RuntimeError as problem:
        if "view size is not compatible" not in str(problem):
            raise
    args, kwargs = tree_map_only(Tensor, Tensor.contiguous, (args, kwargs))
    return function(*args, **kwargs)


def _conv2d(
    mode: LanesAsChannels,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    lanes = mode.lanes(input, weight, bias)
    if not lanes or input.dim() != 4:
        return NotImplemented
    if groups == 1 and not _functorch.is_batchedtensor(input):  # images that all lanes share are read once
        images = input
    else:
        images, groups = mode.channels(input, lanes), groups * lanes
    if images.device.type == "cpu" or torch.is_autocast_enabled(images.device.type):
        images = channels_last(images)
    weights = mode.rows(weight, lanes).flatten(0, 1)
    outputs = F.conv2d(images, weights, mode.vector(bias, lanes), stride, padding, dilation, groups)
    return mode.split(outputs, lanes)


def _by_channel(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """The rule of a function of images that treats every channel alike."""

    def rule(mode: LanesAsChannels, input: Tensor, *settings: Any, **named: Any) -> Any:
        lanes = mode.lanes(input)
        if not lanes or input.dim() != 4:
            return NotImplemented
        outputs = function(mode.channels(input, lanes), *settings, **named)
        if outputs.requires_grad and outputs.is_contiguous(memory_format=torch.channels_last):
            outputs.register_hook(channels_last)  # in another order, as after `flatten`, pooling copies twice
        return mode.split(outputs, lanes)

    return rule


def _batch_norm(
    mode: LanesAsChannels,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    running, scales = (running_mean, running_var), (weight, bias)
    lanes = mode.lanes(input, *running, *scales)
    if not lanes or not all(tensor is None or mode.is_plain(tensor) for tensor in running):
        return NotImplemented
    mean, var, weights, biases = (mode.vector(tensor, lanes) for tensor in (*running, *scales))
    images = mode.channels(input, lanes)
    return mode.split(F.batch_norm(images, mean, var, weights, biases, training, momentum, eps), lanes)


RULES: dict[Any, Callable[..., Any]] = {
    torch.conv2d: _conv2d,
    F.batch_norm: _batch_norm,
    **{
        function: _by_channel(function)
        for function in (F.max_pool2d, torch.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d)
    },
}
