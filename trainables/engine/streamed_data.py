"""A task's images decoded while it trains, for data sets that do not fit into the device's memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from trainables.data.task import TaskData
from trainables.engine.image_source import ImageSource
from trainables.normalisation.base import Normalisation

MAX_WORKERS = 4


class StreamedData(ImageSource):
    """Images read by worker processes, a few batches ahead, through pinned memory where the device is a GPU.

    `images` takes an array of indices and gives uint8 `[n, channels, height, width]`; it travels to the workers, which
    live as long as this does. There are as many as cores, at most four. Lanes share nothing here: each one's batch is
    read for it alone.
    """

    def __init__(
        self, data: TaskData, normalisation: Normalisation, device: torch.device, dtype: torch.dtype, images: Any
    ) -> None:
        super().__init__(data, normalisation, device, dtype)
        self.asked: list[np.ndarray] = []
        self.loader: DataLoader[Tensor] = DataLoader(
            _Reader(images),
            batch_size=None,
            sampler=self.asked,  # read anew for each pass
            num_workers=min(MAX_WORKERS, _usable_cores()),
            persistent_workers=True,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # the loader draws a seed that nobody needs, from the global one otherwise
        )

    @property
    def index_device(self) -> torch.device:
        return torch.device("cpu")

    def _read(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        batches = list(batches)
        self.asked[:] = [batch.flatten().numpy() for batch in batches]
        for batch, images in zip(batches, self.loader, strict=True):
            yield images.to(self.device, non_blocking=True).unflatten(0, batch.shape)


class _Reader(Dataset[Tensor]):
    """Images at an array of indices."""

    def __init__(self, images: Any) -> None:
        self.images = images

    def __getitem__(self, index: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(self.images[index]))


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
