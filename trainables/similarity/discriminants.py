"""Linear discriminants of images without a singular value decomposition of all of them.

What LDA needs of the images is their scatter within the classes and the classes' means: a sum over images, taken
block by block. scikit-learn decomposes the images themselves, `[N, P]`, instead.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, blas, cholesky, eigh, solve_triangular

TOLERANCE = 1e-4  # scikit-learn's: standard deviations, in units of each pixel's own, below which a direction is void
NO_SPREAD = 1e-12  # what rounding leaves of a pixel's spread within classes, as a share of its sum of squares
# Images in a block. Pixels less 128 lie in [-128, 127], so 1,024 products of two are at most 2^24 and float32 sums of
# them are exact: single precision's speed at no loss.
BLOCK = 1024
PIXEL_BLOCK = 4096


def discriminant_means(images: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The class means in the space of the first C - 1 linear discriminants, less the mean of all images.

    Images `[N, ...]`, labels `[N]`, every class present; the result is `[C, k]`, k < C, up to a rotation. It equals
    the class means of `LinearDiscriminantAnalysis(solver="svd").fit_transform`, with its tolerance. Pixels that vary
    within no class are dropped. Takes about 32 min(N, P)^2 bytes beside the images. ValueError where no pixel is left.
    """
    pixels = images.reshape(len(images), -1)
    counts = np.bincount(labels, minlength=num_classes)
    whitened = (_by_pixels if len(pixels) > pixels.shape[1] else _by_images)(pixels, labels, counts)
    weights = np.sqrt(counts)[:, None]
    spread, axes = eigh(weights * (whitened @ whitened.T) * weights.T)
    kept = spread > TOLERANCE**2 * spread[-1]
    means: np.ndarray = axes[:, kept] * np.sqrt(spread[kept]) / weights
    return means


def _by_pixels(pixels: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Class means on axes along which the spread within classes is 1, from the scatter matrix `[P, P]`."""
    size = pixels.shape[1]
    scatter = _joint_scatter(pixels, labels, len(counts))
    sums = scatter[:size, size:]
    within = scatter[:size, :size]
    squares = np.diag(within).copy()
    within -= (sums / counts) @ sums.T
    kept = np.diag(within) > NO_SPREAD * squares
    _refuse_none(kept)
    deviations = np.sqrt(np.diag(within)[kept] / len(pixels))
    centred = ((sums / counts).T - sums.sum(axis=1) / len(pixels))[:, kept] / deviations
    within = within[np.ix_(kept, kept)]
    within /= len(pixels) * deviations * deviations[:, None]
    if _exceeds(within, TOLERANCE**2):
        whitened = solve_triangular(cholesky(within, overwrite_a=True, check_finite=False), centred.T, trans="T")
    else:
        spread, axes = eigh(within, lower=False, overwrite_a=True, check_finite=False)
        full = spread > TOLERANCE**2
        whitened = (axes[:, full] / np.sqrt(spread[full])).T @ centred.T
    return np.asarray(whitened).T


def _joint_scatter(pixels: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Z^T Z `[P + C, P + C]`, its upper triangle, for Z = [pixels less an offset, one-hot labels].

    So one product gives the pixels' scatter, every class's sum and the counts. Exact for uint8.
    """
    count, size = pixels.shape
    exact = pixels.dtype == np.uint8
    dtype = np.float32 if exact else np.float64
    offset = dtype(128) if exact else pixels.mean(axis=0, dtype=np.float64)
    syrk = blas.ssyrk if exact else blas.dsyrk
    total = np.zeros((size + num_classes,) * 2, order="F")
    product = np.zeros_like(total, dtype=dtype)
    for start in range(0, count, BLOCK):
        block = pixels[start : start + BLOCK]
        joint = np.zeros((len(block), size + num_classes), dtype)
        np.subtract(block, offset, out=joint[:, :size])
        joint[np.arange(len(block)), size + labels[start : start + BLOCK]] = 1
        product = syrk(1, joint.T, c=product, overwrite_c=True)
        total += product
    return total


def _exceeds(matrix: np.ndarray, bound: float) -> bool:
    """Whether every eigenvalue of a symmetric matrix, given by its upper triangle, lies above `bound`."""
    shifted = matrix.copy()
    shifted[np.diag_indices_from(shifted)] -= bound
    try:
        cholesky(shifted, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return False
    return True


def _by_images(pixels: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The same from the images' inner products `[N, N]`: for large images, of which there are few."""
    count, size = pixels.shape
    one_hot = np.eye(len(counts))[labels]
    inner = np.zeros((count, count), order="F")
    against = np.zeros((count, len(counts)))
    any_kept = np.zeros(1, bool)
    for start in range(0, size, PIXEL_BLOCK):
        block = pixels[:, start : start + PIXEL_BLOCK].astype(np.float64)
        block -= block.mean(axis=0)
        squares = (block**2).sum(axis=0)
        means = one_hot.T @ block / counts[:, None]
        block -= means[labels]
        kept = (block**2).sum(axis=0) > NO_SPREAD * squares
        any_kept |= kept.any()
        block = block[:, kept]
        deviations = np.sqrt((block**2).mean(axis=0))
        block /= deviations * np.sqrt(count)
        inner = blas.dsyrk(1, block, beta=1, c=inner, overwrite_c=True)
        against += block @ (means[:, kept] / deviations).T
    _refuse_none(any_kept)
    spread, axes = eigh(inner, lower=False, overwrite_a=True, check_finite=False)
    full = spread > TOLERANCE**2
    return np.asarray(((axes[:, full] / spread[full]).T @ against).T)


def _refuse_none(kept: np.ndarray) -> None:
    if not kept.any():
        raise ValueError("no pixel varies within any class: linear discriminants need images that differ")
