"""What an augmentation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Generator, Tensor


class Augmentation(ABC):
    """A random change of images, drawn for each image apart.

    `draw` holds all that is random and runs on the CPU, for a whole epoch at once; `apply` is determined by it and
    runs on the images' device without waiting for it. What `apply` makes of an image does not depend on the others in
    the batch, to the bit. `on_host`: `apply` wants its draws on the CPU, whatever device the images are on.
    """

    on_host: ClassVar[bool] = False

    @abstractmethod
    def draw(self, count: int, generator: Generator) -> Tensor:
        """What happens to each of `count` images, `[count, k]`."""

    @abstractmethod
    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        """Images `[N, channels, height, width]` changed as draws `[N, k]` say.

        uint8 from 0 to 255 or floating point; type and shape stay as they are, the argument's values too.
        """
