"""Noise by a given transition matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.data.noise import NOISES, Part, settle, transition_matrix
from trainables.data.noise.transition import apportioned
from trainables.data.store import content_hash

from .parts import make_part

THREE = [[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]]


def corrupted(part: Part, seed: int = 0, **options: Any) -> np.ndarray:
    spec = settle({"kind": "matrix", "seed": seed, **options}, "any", part.class_names)
    return NOISES["matrix"].corrupt(part, spec)


def test_labels_follow_the_matrix_exactly_where_whole_labels_allow_it() -> None:
    part = make_part(300, 3)
    for seed in range(3):
        noisy = corrupted(part, seed, matrix=THREE)
        np.testing.assert_allclose(transition_matrix(part.labels, noisy, 3), THREE, atol=1e-12)
    assert (corrupted(part, 0, matrix=THREE) != corrupted(part, 1, matrix=THREE)).any()


def test_a_file_is_the_matrix_that_it_holds(tmp_path: Path) -> None:
    part = make_part(300, 3)
    np.save(tmp_path / "t.npy", np.array(THREE))
    np.savetxt(tmp_path / "t.csv", np.array(THREE), delimiter=",")
    for name in ("t.npy", "t.csv"):
        np.testing.assert_array_equal(corrupted(part, path=str(tmp_path / name)), corrupted(part, matrix=THREE))


def test_the_labels_are_those_of_every_other_machine_and_version() -> None:
    assert content_hash(corrupted(make_part(100, 3), matrix=THREE)) == "a97caf26a3b14a77"


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.7, 0.2], [0.0, 1.0]], r"row 0 of matrix sums to 0\.9; row i says how class i is labelled, and sums to 1"),
        ([[0.5, 0.5], [0.3, 0.8]], r"row 1 of matrix sums to 1\.1"),
        ([[1.5, -0.5], [0.0, 1.0]], r"row 0 of matrix has an entry that is no probability: -0\.5 to 1\.5"),
        ([[float("nan"), 1.0], [0.0, 1.0]], "row 0 of matrix has an entry that is no probability"),
        ([[1.0, 0.0]], r"matrix has shape \[1, 2\]"),
        ([[1.0], [0.0, 1.0]], "matrix is not a list of rows of numbers, all of one length"),
        ("eye", "matrix is not a list of rows of numbers"),
        (THREE, "matrix is for 3 classes; the data set has 2"),
    ],
)
def test_what_is_no_transition_matrix_of_the_data_is_refused(matrix: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        corrupted(make_part(10, 2), matrix=matrix)


def test_one_matrix_is_needed_and_its_rows_in_a_file_are_checked_too(tmp_path: Path) -> None:
    part = make_part(10, 2)
    with pytest.raises(ValueError, match="needs either matrix, a list of rows, or path"):
        corrupted(part)
    (tmp_path / "t.csv").write_text("0.5,0.5\n0.5,0.6\n")
    with pytest.raises(ValueError, match=r"row 1 of .*t\.csv sums to 1\.1"):
        corrupted(part, path=str(tmp_path / "t.csv"))
    with pytest.raises(ValueError, match="either matrix"):
        corrupted(part, path=str(tmp_path / "t.csv"), matrix=THREE)
    with pytest.raises(ValueError, match=r"noise 'matrix' has no rate, .*; leave rate out"):
        corrupted(part, rate=0.3, matrix=THREE)


def test_a_file_that_changed_since_it_was_planned_with_is_refused(tmp_path: Path) -> None:
    part, path = make_part(30, 3), tmp_path / "t.npy"
    np.save(path, np.array(THREE))
    spec = settle({"kind": "matrix", "seed": 0, "path": str(path)}, "any", part.class_names)
    np.save(path, np.eye(3))
    with pytest.raises(ValueError, match=r"t\.npy has digest .*: the file has changed"):
        NOISES["matrix"].corrupt(part, spec)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12).filter(lambda each: sum(each) > 0.01), st.integers(0, 500))
def test_apportioned_numbers_add_up_and_are_less_than_one_off(shares: list[float], total: int) -> None:
    row = np.array(shares) / np.sum(shares)
    counts = apportioned(row, total)
    assert counts.sum() == total
    assert (np.abs(counts - row * total) < 1 + 1e-6).all()
    assert (counts[row == 0] == 0).all()
