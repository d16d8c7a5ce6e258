"""Which source a task's images come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from trainables.data.task import TaskData
from trainables.engine.device_data import DeviceData
from trainables.engine.image_source import ImageSource
from trainables.engine.streamed_data import StreamedData
from trainables.normalisation import make_normalisation

SHARE = 0.5  # of a GPU's free memory that images may fill; the rest is for networks


def make_source(
    data: TaskData, normalise: str | Mapping[str, Any], device: torch.device, dtype: torch.dtype
) -> ImageSource:
    """The images of a task, normalised as a trial's `normalise` says.

    Streamed where the data set is decoded on demand (its images are no array), and where they are more than half of
    what is free on a GPU. On the CPU an array is mapped from disk and need not fit.
    """
    normalisation = make_normalisation(normalise, data, device, dtype)
    images = data.pool.images if normalisation.prepared is None else normalisation.prepared
    if isinstance(images, np.ndarray) and images.nbytes <= _room(device):
        return DeviceData(data, normalisation, device, dtype, images)
    return StreamedData(data, normalisation, device, dtype, images)


def _room(device: torch.device) -> float:
    """Bytes that images may fill."""
    return SHARE * torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")
