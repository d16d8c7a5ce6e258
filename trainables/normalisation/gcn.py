"""Global contrast normalisation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainables.data.task import TaskData
from trainables.normalisation.base import Normalisation


class GCN(Normalisation):
    """scale (x - m) / max(epsilon, ||x - m||), with m the mean over all of an image's values, || || Euclidean.

    x counts from 0 to 255. `scale` is the norm that every image gets: by default the square root of the number of its
    values, so that they have mean square 1 (for 32 x 32 in colour 55.4; the maxout networks' pipeline has 55). An image
    of one value becomes zero. It comes before augmentation, as in that pipeline.
    """

    first = True

    def __init__(
        self, data: TaskData, device: torch.device, dtype: torch.dtype, scale: float | None, epsilon: float
    ) -> None:
        self.dtype, self.epsilon = dtype, epsilon
        self.scale = math.sqrt(math.prod(data.pool.image_shape)) if scale is None else scale

    def __call__(self, images: Tensor) -> Tensor:
        values = images.flatten(-3)
        total = values.sum(-1, keepdim=True, dtype=torch.int64)  # exactly, so that an image of one value becomes zero
        centred = values.to(self.dtype) - (total.to(torch.float64) / values.shape[-1]).to(self.dtype)
        norms = torch.linalg.vector_norm(centred, dim=-1, keepdim=True).clamp_(min=self.epsilon)
        return (centred / norms).mul_(self.scale).view(images.shape)
