"""A task's images as a program takes them: batch by batch, augmented, normalised, on the training device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from trainables.data.task import TaskData
from trainables.normalisation.base import Normalisation

Change = Callable[[Tensor, slice], Tensor]  # of images [L, B, ...] that are this part of each lane's epoch


class ImageSource(ABC):
    """Images of one task, shared by all lanes.

    They are normalised after augmentation, but for what has to come first (`Normalisation.first`). `index_device` is
    where a subclass wants the indices that it reads at.
    """

    def __init__(self, data: TaskData, normalisation: Normalisation, device: torch.device, dtype: torch.dtype) -> None:
        self.normalisation, self.device, self.dtype = normalisation, device, dtype
        self.train_index, self.val_index = (
            torch.tensor(index, dtype=torch.long, device=self.index_device)
            for index in (data.train_index, data.val_index)
        )
        self.num_train, self.num_val = len(data.train_index), len(data.val_index)
        self.image_shape, self.num_classes = data.pool.image_shape, data.pool.num_classes

    @property
    @abstractmethod
    def index_device(self) -> torch.device: ...

    @abstractmethod
    def _read(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """The pool's images at the indices of each batch, raw or as the normalisation prepared them.

        In the indices' shape, in new memory on the training device.
        """

    def train_batches(self, orders: Tensor, batch_size: int, augment: Change) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch: indices among the training images `[L, B]` and the images `[L, B, channels, height, width]`.

        `orders` `[L, N]`, on the CPU, says which images each lane takes in which order.
        """
        indices = orders.to(self.device).split(batch_size, dim=1)
        places = self.train_index[orders.to(self.index_device)].split(batch_size, dim=1)
        start = 0
        for index, images in zip(indices, self._read(places), strict=True):
            part = slice(start, start + index.shape[1])
            if self.normalisation.first:
                yield index, augment(self._normalised(images), part)
            else:
                yield index, self._normalised(augment(images, part))
            start = part.stop

    def val_batches(self, batch_size: int) -> Iterator[tuple[slice, Tensor]]:
        """The validation images in their order: which part of them, and the images `[B, channels, height, width]`."""
        return self._in_order(self.val_index, batch_size)

    def watched_batches(self, batch_size: int) -> Iterator[tuple[slice, Tensor]]:
        """The training images likewise, without augmentation, for losses that watch them."""
        return self._in_order(self.train_index, batch_size)

    def _in_order(self, index: Tensor, batch_size: int) -> Iterator[tuple[slice, Tensor]]:
        start = 0
        for images in self._read(index.split(batch_size)):
            yield slice(start, start + len(images)), self._normalised(images)
            start += len(images)

    def _normalised(self, images: Tensor) -> Tensor:
        if self.normalisation.prepared is None:
            return self.normalisation(images)
        return images.to(self.dtype)
