"""What is no target similarity, or no likeness, is refused in a sentence that names the entry."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.similarity.contracts import check_likeness, check_target

UNIFORM = (1 - np.eye(3)) / 2
NAMES = ["cat", "dog", "fish"]


def changed(matrix: np.ndarray, *entries: tuple[int, int, float]) -> np.ndarray:
    copy = matrix.copy()
    for i, j, value in entries:
        copy[i, j] = value
    return copy


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (UNIFORM[:2], r"similarity has shape \(2, 3\); 3 classes need \(3, 3\)"),
        (UNIFORM[0], r"similarity has shape \(3,\)"),
        ([["a", "b"]], "similarity is not a matrix of numbers"),
        (changed(UNIFORM, (1, 2, np.nan)), r"similarity\[1 \(dog\), 2 \(fish\)\] = nan; entries are finite numbers"),
        (changed(UNIFORM, (0, 1, -0.1), (0, 2, 1.1)), r"\[0 \(cat\), 1 \(dog\)\] = -0\.1; entries lie in \[0, 1\]"),
        (changed(UNIFORM, (2, 1, 1.5)), r"\[2 \(fish\), 1 \(dog\)\] = 1\.5; entries lie in \[0, 1\]"),
        (changed(UNIFORM, (1, 1, 0.2)), r"\[1 \(dog\), 1 \(dog\)\] = 0\.2; the diagonal is 0"),
        (changed(UNIFORM, (2, 1, 0.4)), r"similarity row 2 \(fish\) sums to 0\.9; rows must sum to 1"),
    ],
)
def test_what_is_no_target_is_refused(matrix: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_target(matrix, 3, NAMES)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (changed(np.eye(3), (0, 1, -1.2)), r"similarity\[0, 1\] = -1\.2; entries lie in \[-1, 1\]"),
        (changed(np.eye(3), (2, 1, 1.2)), r"similarity\[2, 1\] = 1\.2; entries lie in \[-1, 1\]"),
        (UNIFORM, r"similarity\[0, 0\] = 0; the diagonal is 1"),
        (changed(np.eye(3), (1, 0, np.inf)), r"similarity\[1, 0\] = inf; entries are finite"),
    ],
)
def test_what_is_no_likeness_is_refused(matrix: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_likeness(matrix, 3)


def test_single_precision_is_good_enough_and_made_exact() -> None:
    generator = np.random.default_rng(0)
    rows = generator.uniform(size=(50, 50)) * (1 - np.eye(50))
    target = check_target((rows / rows.sum(axis=1, keepdims=True)).astype(np.float32), 50)
    assert target.dtype == np.float64
    np.testing.assert_allclose(target.sum(axis=1), 1, atol=1e-15)


def test_argument_is_left_as_it_was() -> None:
    matrix = changed(np.eye(3), (0, 0, 1 + 1e-9))
    kept = matrix.copy()
    assert check_likeness(matrix, 3)[0, 0] == 1
    np.testing.assert_array_equal(matrix, kept)


@pytest.mark.parametrize("num_classes", [0, 1])
def test_one_class_has_no_similarity(num_classes: int) -> None:
    with pytest.raises(ValueError, match="a similarity needs at least 2 classes"):
        check_target(np.zeros((num_classes, num_classes)), num_classes)
