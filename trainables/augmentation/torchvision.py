"""torchvision's transforms, image by image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from trainables.augmentation.base import Augmentation


class Torchvision(Augmentation):
    """A transform of `torchvision.transforms.v2`, called on each image as a tensor `[channels, height, width]`.

    torchvision draws from torch's global generators. They are seeded for each image, with a number drawn from the
    lane's own stream, and put back as they were afterwards: what happens to an image depends on the lane and on nothing
    else, for every transform that draws through torch and keeps nothing from call to call. On a GPU a transform that
    draws there (`GaussianNoise`) draws other numbers than on a CPU. A loop over the images, so slow beside the others.

    Raises ValueError where the transform changes an image's size or type.
    """

    on_host = True

    def __init__(self, image_shape: tuple[int, int, int], transform: str, arguments: Mapping[str, Any]) -> None:
        self.name, self.transform = transform, make_transform(transform, arguments)

    def draw(self, count: int, generator: Generator) -> Tensor:
        """A seed for each image."""
        return torch.randint(0, 2**63 - 1, (count, 1), generator=generator)

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        changed = []
        devices = [images.device.index] if images.is_cuda else []
        with torch.random.fork_rng(devices=devices):
            for image, seed in zip(images, draws[:, 0].tolist(), strict=True):
                torch.manual_seed(seed)
                changed.append(self._changed(image))
        return torch.stack(changed)

    def _changed(self, image: Tensor) -> Tensor:
        try:
            result = self.transform(image)
        except (TypeError, ValueError, RuntimeError, AttributeError) as problem:
            raise ValueError(f"torchvision's {self.name} cannot be applied to {_kind(image)}: {problem}") from problem
        if not isinstance(result, Tensor) or (result.shape, result.dtype) != (image.shape, image.dtype):
            what = _kind(result) if isinstance(result, Tensor) else type(result).__name__
            raise ValueError(
                f"torchvision's {self.name} makes {what} of {_kind(image)}; an augmentation keeps size and type"
            )
        return result


def make_transform(name: str, arguments: Mapping[str, Any]) -> Any:
    """The transform called `name`; ValueError where it does not take its arguments."""
    from torchvision.transforms import v2

    try:
        return getattr(v2, name)(**arguments)
    except (TypeError, ValueError, AttributeError, NotImplementedError) as problem:
        raise ValueError(f"torchvision's {name} does not take {dict(arguments)}: {problem}") from problem


def _kind(image: Tensor) -> str:
    return f"a {str(image.dtype).removeprefix('torch.')} image of {' x '.join(map(str, image.shape))}"
