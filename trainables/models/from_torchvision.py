"""Any classification network of torchvision, `torchvision.NAME`, with random weights; nothing is downloaded."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainables.models.initial import he_normal

CIFAR_STEM_UP_TO = 64  # pixels a side
RESIDUAL_BLOCKS = ("layer1", "layer2", "layer3", "layer4")


def network(image_shape: tuple[int, int, int], num_classes: int, builder: str, stem: str | None = None) -> nn.Module:
    """torchvision's network `builder` for images `[B, channels, height, width]`, to logits `[B, C]`.

    ResNets have a `stem`: `imagenet` is torchvision's (7x7 convolution of stride 2, max pooling), `cifar` a 3x3
    convolution of stride 1 without pooling, `auto` the latter for images of up to 64x64. They state their stages as
    `blocks`. Auxiliary heads are left out, and stochastic depth becomes dropout of whole images, of which each lane
    has its own. Weights are drawn as torchvision draws them. Raises ValueError for images that the network cannot take.
    """
    import torchvision

    channels, *sides = image_shape
    options: dict[str, Any] = {}
    if builder in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}
    elif builder.startswith("vit_"):
        options = {"image_size": sides[0]}
    elif builder.startswith("maxvit_"):
        options = {"input_size": tuple(sides)}
    try:
        target = torch.get_default_device()
        with torch.device("cpu" if builder.startswith("regnet_") else target):  # their widths are numbers in tensors
            made: Any = torchvision.models.get_model(builder, weights=None, num_classes=num_classes, **options)
        made.to(target)
        if channels != 3:
            _take_channels(made, channels)
        if stem == "cifar" or (stem == "auto" and max(sides) <= CIFAR_STEM_UP_TO):
            made.conv1 = nn.Conv2d(channels, made.conv1.out_channels, 3, padding=1, bias=False)
            made.maxpool = nn.Identity()
            he_normal(made.conv1)
        _use_dropout(made)
        _try_forward(made, image_shape)
    except (ValueError, AssertionError) as problem:
        raise _refused(builder, image_shape, problem) from None
    except RuntimeError as problem:
        if "memory" in str(problem).lower():
            raise
        raise _refused(builder, image_shape, problem) from None
    if stem is not None:
        made.blocks = RESIDUAL_BLOCKS
    return cast(nn.Module, made)


class ImageDropout(nn.Module):
    """Zeroes a residual branch `[B, ...]` for whole images: stochastic depth, by a dropout that the engine knows."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout3d(p)

    def forward(self, x: Tensor) -> Tensor:
        dropped: Tensor = self.dropout(x[None])[0]  # images stand where channels do
        return dropped


def _take_channels(made: nn.Module, channels: int) -> None:
    """Replace the first convolution by one for so many channels."""
    first = next(part for part in made.modules() if isinstance(part, nn.Conv2d))
    rows, columns = first.kernel_size
    first.in_channels, first.weight = channels, nn.Parameter(torch.empty(first.out_channels, channels, rows, columns))
    he_normal(first)


def _use_dropout(made: nn.Module) -> None:
    from torchvision.ops import StochasticDepth

    for parent in list(made.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, StochasticDepth):
                setattr(parent, name, ImageDropout(child.p))


def _try_forward(made: nn.Module, image_shape: tuple[int, int, int]) -> None:
    """A forward pass of shapes alone, on the meta device."""
    tensors = {**dict(made.named_parameters()), **dict(made.named_buffers())}
    shapes = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
    with torch.no_grad():
        functional_call(made.eval(), shapes, (torch.empty(2, *image_shape, device="meta"),))
    made.train()


def _refused(builder: str, image_shape: tuple[int, int, int], problem: Exception) -> ValueError:
    reason = str(problem).partition("\n")[0] or type(problem).__name__
    channels, height, width = image_shape
    return ValueError(
        f"model 'torchvision.{builder}' cannot take images of {height}x{width} pixels and {channels} channels "
        f"({reason}): choose larger images or another network; 'study models' lists them"
    )
