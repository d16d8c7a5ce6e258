"""ZCA whitening."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.data.store import Arrays, cached_arrays, content_hash
from trainables.data.task import TaskData
from trainables.normalisation.base import Normalisation
from trainables.normalisation.gcn import GCN

FORMAT = 1  # raised when the fit changes, so that what was kept before is not read
BLOCK = 1024  # images at a time


class Whitening(Normalisation):
    """(gcn(x) - mean) matrix, with `mean` `[D]` and `matrix` `[D, D]`, D values an image."""

    first = True

    def __init__(self, gcn: GCN, mean: Tensor, matrix: Tensor) -> None:
        self.gcn, self.mean, self.matrix = gcn, mean, matrix

    def __call__(self, images: Tensor) -> Tensor:
        return ((self.gcn(images).flatten(-3) - self.mean) @ self.matrix).view(images.shape)


class ZCA(Normalisation):
    """Global contrast normalisation, then (x - mean) U diag(1 / sqrt(v + regulariser)) U'.

    v and U are eigenvalues and eigenvectors of the covariance of the training part, in float64. Along an eigenvector
    the variance becomes v / (v + regulariser): 1 where v is large. The maxout networks' pipeline, and MSL's, with 0.1.
    The pool is whitened once and kept on disk in float32, mapped from there by every process; augmentation changes the
    whitened images.
    """

    first = True

    def __init__(
        self,
        data: TaskData,
        device: torch.device,
        dtype: torch.dtype,
        regulariser: float,
        scale: float | None,
        epsilon: float,
    ) -> None:
        exact = GCN(data, torch.device("cpu"), torch.float64, scale, epsilon)
        options = {"regulariser": regulariser, "scale": exact.scale, "epsilon": epsilon}
        key = content_hash(FORMAT, data.pool.digest, data.split_digest, options)
        folder = data.cache / "normalisations"
        fitted, _ = cached_arrays(folder / f"zca-{key}", lambda: _fit(data, exact, regulariser))
        kept, _ = cached_arrays(folder / f"whitened-{key}", lambda: _whiten(data, exact, **fitted))
        self.prepared = kept["images"]
        mean, matrix = (
            torch.tensor(np.asarray(fitted[name]), dtype=dtype, device=device) for name in ("mean", "matrix")
        )
        self.whitening = Whitening(GCN(data, device, dtype, scale, epsilon), mean, matrix)

    def __call__(self, images: Tensor) -> Tensor:
        return self.whitening(images)


def _fit(data: TaskData, gcn: GCN, regulariser: float) -> tuple[Arrays, dict[str, Any]]:
    """Mean `[D]` and whitening matrix `[D, D]` of the training part, D values an image."""
    size = int(np.prod(data.pool.image_shape))
    if len(data.train_index) < size:
        return _fit_few(data, gcn, regulariser)
    total, products = torch.zeros(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64)
    for start in range(0, len(data.train_index), BLOCK):
        values = gcn(torch.from_numpy(data.pool.images[data.train_index[start : start + BLOCK]])).flatten(1)
        total += values.sum(0)
        products.addmm_(values.T, values)
    count = len(data.train_index)
    mean = total / count
    covariance = products.div_(count).addr_(mean, mean, alpha=-1)
    variances, vectors = torch.linalg.eigh(covariance)
    matrix = (vectors / (variances.clamp(min=0) + regulariser).sqrt()) @ vectors.T
    return {"mean": mean.numpy(), "matrix": matrix.numpy()}, {}


def _fit_few(data: TaskData, gcn: GCN, regulariser: float) -> tuple[Arrays, dict[str, Any]]:
    """The same of fewer images than values: no variance but along their own directions."""
    values = gcn(torch.from_numpy(data.pool.images[data.train_index])).flatten(1)
    mean = values.mean(0)
    _, singular, vectors = torch.linalg.svd(values - mean, full_matrices=False)
    elsewhere = regulariser**-0.5
    along = (singular**2 / len(values) + regulariser).rsqrt() - elsewhere
    matrix = (vectors.T * along) @ vectors
    matrix.diagonal().add_(elsewhere)
    return {"mean": mean.numpy(), "matrix": matrix.numpy()}, {}


def _whiten(data: TaskData, gcn: GCN, mean: np.ndarray, matrix: np.ndarray) -> tuple[Arrays, dict[str, Any]]:
    """The whole pool, float32 `[N, channels, height, width]`."""
    whitened = np.empty(data.pool.images.shape, dtype=np.float32)
    shift, turn = torch.tensor(np.asarray(mean)), torch.tensor(np.asarray(matrix))
    for start in range(0, len(whitened), BLOCK):
        raw = torch.from_numpy(np.array(data.pool.images[start : start + BLOCK]))
        whitened[start : start + BLOCK] = ((gcn(raw).flatten(1) - shift) @ turn).view(raw.shape)
    return {"images": whitened}, {}
