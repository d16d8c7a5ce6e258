"""Class similarity from linear discriminants: equation 12 of the MCEL paper, as our notes read it."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.data.task import TaskData
from trainables.similarity import lda_similarity


def clustered_images(num_classes: int = 4, per_class: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 1, 2, 3] whose classes lie around centres of their own."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(num_classes), per_class)
    centres = generator.normal(scale=2, size=(num_classes, 6))
    return (centres[labels] + generator.normal(size=(len(labels), 6))).reshape(-1, 1, 2, 3), labels


def naive_similarity(images: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
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


def test_similarity_equals_a_naive_implementation_of_the_paper() -> None:
    images, labels = clustered_images()
    np.testing.assert_allclose(lda_similarity(images, labels, 4), naive_similarity(images, labels, 4), atol=1e-10)


def test_rows_sum_to_one_with_a_zero_diagonal(digits: TaskData) -> None:
    matrix = digits.similarity("lda")
    assert matrix.shape == (10, 10)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-14)
    np.testing.assert_array_equal(np.diag(matrix), 0)
    assert (matrix[~np.eye(10, dtype=bool)] > 0).all()


def test_similarity_tells_classes_apart() -> None:
    images, labels = clustered_images()
    rows = lda_similarity(images, labels, 4)[~np.eye(4, dtype=bool)].reshape(4, 3)
    assert (np.ptp(rows, axis=1) > 0.05).all()


@pytest.mark.parametrize("offset", [5, -3.5, 1000])
def test_constant_offset_of_all_pixels_changes_nothing(offset: float) -> None:
    images, labels = clustered_images()
    np.testing.assert_allclose(
        lda_similarity(images + offset, labels, 4), lda_similarity(images, labels, 4), atol=1e-10
    )


@pytest.mark.parametrize("constant", [0.0, 255.0, 0.1, 1 / 3])
def test_constant_pixels_change_nothing(constant: float) -> None:
    images, labels = clustered_images()
    framed = np.full((len(images), 1, 4, 5), constant)
    framed[:, :, 1:3, 1:4] = images
    np.testing.assert_allclose(lda_similarity(framed, labels, 4), lda_similarity(images, labels, 4), atol=1e-10)


def test_missing_class_is_refused_by_number() -> None:
    images, labels = clustered_images()
    labels[labels == 2] = 1
    with pytest.raises(ValueError, match=r"classes \[2\] have no image"):
        lda_similarity(images, labels, 4)


def test_tasks_similarity_is_fitted_on_the_training_part_and_the_labels_training_sees(
    digits: TaskData,
) -> None:
    images = np.asarray(digits.pool.images)[digits.train_index]
    fitted = lda_similarity(images, digits.noisy_labels[digits.train_index], 10)
    np.testing.assert_array_equal(digits.similarity("lda"), fitted)
    assert np.abs(fitted - lda_similarity(images, digits.pool.labels[digits.train_index], 10)).max() > 1e-3
