"""What a normalisation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from torch import Tensor


class Normalisation(ABC):
    """Raw uint8 images to what a network sees.

    Made for a task, a device and a precision, with its options. `first`: it comes before augmentation, which then
    changes normalised images. `prepared`: the whole pool, normalised already, where one normalises it once because
    doing it for every batch would take long; None elsewhere.
    """

    first: ClassVar[bool] = False
    prepared: np.ndarray | None = None

    @abstractmethod
    def __call__(self, images: Tensor) -> Tensor:
        """Raw images `[..., channels, height, width]`, normalised; the argument stays as it is."""
