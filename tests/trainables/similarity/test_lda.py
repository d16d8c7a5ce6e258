"""LDA's likeness and target: equation 12 of the MCEL paper as our notes read it, and equal to scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from trainables.data.task import TaskData
from trainables.similarity import discriminants
from trainables.similarity.fit import fit
from trainables.similarity.lda import lda_likeness


def lda_target(images: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    return fit("lda", images=images, labels=labels, num_classes=num_classes)


def clustered_images(num_classes: int = 4, per_class: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 1, 2, 3] whose classes lie around centres of their own."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(num_classes), per_class)
    centres = generator.normal(scale=2, size=(num_classes, 6))
    return (centres[labels] + generator.normal(size=(len(labels), 6))).reshape(-1, 1, 2, 3), labels


def awkward_photographs(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """300 images [300, 3, 8, 8] uint8 in 12 classes of 1 to 70: neighbouring pixels alike, a constant frame, pixels
    that repeat others, one pixel that varies in a single image."""
    generator = np.random.default_rng(seed)
    sizes = [1, 2, 3, 5, 8, 13, 20, 28, 40, 50, 60, 70]
    labels = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    smooth = np.cumsum(generator.normal(size=(len(labels), 3, 8, 8)), axis=-1)
    centres = np.cumsum(generator.normal(size=(len(sizes), 3, 8, 8)), axis=-2)
    images = np.clip(128 + 14 * (smooth + centres[labels]), 0, 255).astype(np.uint8)
    images[:, :, 0] = 255
    images[:, 1, 4] = images[:, 0, 4]
    images[:, 2, 7, 7] = 0
    images[17, 2, 7, 7] = 1
    return images, labels


def naive_target(images: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The paper's steps by scatter matrices and a dense eigenproblem, class by class."""
    pixels = images.reshape(len(images), -1).astype(float)
    pixels = pixels - pixels.mean(axis=0)
    size = pixels.shape[1]
    within, between = np.zeros((size, size)), np.zeros((size, size))
    for c in range(num_classes):
        members = pixels[labels == c]
        mean = members.mean(axis=0)
        within += (members - mean).T @ (members - mean) / len(pixels)
        between += len(members) / len(pixels) * np.outer(mean, mean)
    values, vectors = np.linalg.eig(np.linalg.solve(within, between))
    leading = vectors[:, np.argsort(-values.real)[: num_classes - 1]].real
    leading = leading / np.sqrt(np.einsum("ik,ij,jk->k", leading, within, leading))
    v = [(pixels[labels == c] @ leading).mean(axis=0) for c in range(num_classes)]
    result = np.zeros((num_classes, num_classes))
    for i in range(num_classes):
        for j in range(num_classes):
            if i != j:
                distance = 1 - v[i] @ v[j] / (np.linalg.norm(v[i]) * np.linalg.norm(v[j]))
                result[i, j] = 1 / (1 + np.exp(distance))
        result[i] /= result[i].sum()
    return result


def scikit_learn_likeness(images: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Cosines of the class means that scikit-learn's LDA gives."""
    pixels = images.reshape(len(images), -1).astype(np.float64)
    pixels = pixels[:, np.ptp(pixels, axis=0) > 0]
    pixels -= pixels.mean(axis=0)
    projected = LinearDiscriminantAnalysis(solver="svd").fit(pixels, labels).transform(pixels)
    means = np.stack([projected[labels == c].mean(axis=0) for c in range(num_classes)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return means @ means.T


def test_target_equals_a_naive_implementation_of_the_paper() -> None:
    images, labels = clustered_images()
    np.testing.assert_allclose(lda_target(images, labels, 4), naive_target(images, labels, 4), atol=1e-10)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("count", [1797, 300, 60])
def test_digits_likeness_equals_scikit_learns(dtype: type, count: int) -> None:
    """60 images have no more samples than pixels, and go by their inner products."""
    bunch = load_digits()
    images, labels = np.rint(bunch.images[:count] * 255 / 16).astype(dtype), bunch.target[:count]
    expected = scikit_learn_likeness(images, labels, 10)
    np.testing.assert_allclose(lda_likeness(images, labels, 10), expected, atol=1e-10)


@pytest.mark.parametrize("count", [300, 150])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_likeness_equals_scikit_learns_where_scatter_is_rank_deficient(count: int, dtype: type) -> None:
    images, labels = awkward_photographs()
    images, labels = images.astype(dtype), labels.copy()
    if count < len(images):  # fewer images than pixels; every class stays
        first = [int(np.flatnonzero(labels == c)[0]) for c in range(12)]
        chosen = np.unique(np.concatenate([first, np.arange(count)]))
        images, labels = images[chosen], labels[chosen]
    expected = scikit_learn_likeness(images, labels, 12)
    np.testing.assert_allclose(lda_likeness(images, labels, 12), expected, atol=1e-8)


def test_pixels_and_images_give_the_same_means(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = awkward_photographs()
    by_pixels = lda_likeness(images, labels, 12)
    monkeypatch.setattr(discriminants, "_by_pixels", discriminants._by_images)
    monkeypatch.setattr(discriminants, "PIXEL_BLOCK", 37)
    np.testing.assert_allclose(lda_likeness(images, labels, 12), by_pixels, atol=1e-8)


@pytest.mark.parametrize("value", [0, 255])
def test_scatter_of_bytes_is_exact_in_single_precision(value: int) -> None:
    """The worst case for float32: every product as large as it can be, blocks full and not."""
    generator = np.random.default_rng(0)
    pixels = np.full((2500, 5), value, np.uint8)
    pixels[:, 3:] = generator.integers(0, 256, (2500, 2))
    labels = generator.integers(0, 3, 2500)
    joint = np.concatenate([pixels.astype(np.int64) - 128, np.eye(3, dtype=np.int64)[labels]], axis=1)
    scatter = discriminants._joint_scatter(pixels, labels, 3)
    np.testing.assert_array_equal(np.triu(scatter), np.triu(joint.T @ joint))


def test_rows_sum_to_one_with_a_zero_diagonal(digits: TaskData) -> None:
    matrix = digits.similarity("lda")
    assert matrix.shape == (10, 10)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-14)
    np.testing.assert_array_equal(np.diag(matrix), 0)
    assert (matrix[~np.eye(10, dtype=bool)] > 0).all()


def test_similarity_tells_classes_apart() -> None:
    images, labels = clustered_images()
    rows = lda_target(images, labels, 4)[~np.eye(4, dtype=bool)].reshape(4, 3)
    assert (np.ptp(rows, axis=1) > 0.05).all()


def test_two_classes_are_opposite() -> None:
    images, labels = clustered_images(num_classes=2)
    np.testing.assert_allclose(lda_likeness(images, labels, 2), [[1, -1], [-1, 1]], atol=1e-12)


@pytest.mark.parametrize("offset", [5, -3.5, 1000])
def test_constant_offset_of_all_pixels_changes_nothing(offset: float) -> None:
    images, labels = clustered_images()
    np.testing.assert_allclose(lda_likeness(images + offset, labels, 4), lda_likeness(images, labels, 4), atol=1e-9)


@pytest.mark.parametrize("constant", [0.0, 255.0, 0.1, 1 / 3])
@pytest.mark.parametrize("per_class", [30, 5])
def test_constant_pixels_change_nothing(constant: float, per_class: int) -> None:
    images, labels = clustered_images(per_class=per_class)
    framed = np.full((len(images), 1, 4, 6), constant)
    framed[:, :, 1:3, 1:4] = images
    np.testing.assert_allclose(lda_likeness(framed, labels, 4), lda_likeness(images, labels, 4), atol=1e-10)


@pytest.mark.parametrize("per_class", [30, 5])
def test_pixel_that_varies_between_classes_alone_changes_nothing(per_class: int) -> None:
    images, labels = clustered_images(per_class=per_class)
    marked = np.concatenate([images.reshape(len(images), -1), 7.7 * labels[:, None] ** 2 + np.zeros((1, 15))], axis=1)
    np.testing.assert_allclose(lda_likeness(marked, labels, 4), lda_likeness(images, labels, 4), atol=1e-10)


def test_missing_class_is_refused_by_number() -> None:
    images, labels = clustered_images()
    labels[labels == 2] = 1
    with pytest.raises(ValueError, match=r"classes \[2\] have no image"):
        lda_likeness(images, labels, 4)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((6, 4)), np.array([0, 1, 2, 3, 0, 1]), r"labels lie in \[0, 3\]; 3 classes need \[0, 2\]"),
        (np.zeros((6, 4)), np.array([0, 1, -1, 2, 0, 1]), r"labels lie in \[-1, 2\]"),
        (np.zeros((6, 4)), np.array([0, 1, 2]), "6 images and 3 labels"),
        (np.zeros((6, 4)), np.array([0, 1, 2] * 2), "no pixel varies within any class"),
        (np.zeros((6, 9)), np.array([0, 1, 2] * 2), "no pixel varies within any class"),
        (np.array([[0.0], [2], [1], [3], [-1], [1]]), np.array([0, 0, 1, 1, 2, 2]), "class 0 has the mean of all"),
    ],
)
def test_data_without_discriminants_is_refused(images: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lda_likeness(images, labels, 3)
