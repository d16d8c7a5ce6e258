"""Heat maps: written, with every name, and on the scale of what lies off the diagonal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import image as images

from trainables.similarity import drawing
from trainables.similarity.drawing import draw, likeness_order
from trainables.similarity.fit import fit


def names(count: int) -> list[str]:
    return [f"class_{i}" for i in range(count)]


@pytest.mark.parametrize("count", [2, 10, 100])
def test_picture_is_written_and_large_enough_to_read(count: int, tmp_path: Path) -> None:
    draw(fit({"name": "order", "r": 0.8}, num_classes=count), names(count), tmp_path / "new" / "map.png")
    height, width, _ = images.imread(tmp_path / "new" / "map.png").shape
    assert min(height, width) >= 10 * count
    assert 300 < max(height, width) < 2500


def test_svg_is_the_same_file_each_time(tmp_path: Path) -> None:
    matrix = fit("uniform", num_classes=4)
    for name in ("a.svg", "b.svg"):
        draw(matrix, names(4), tmp_path / name, title="Uniform")
    first = (tmp_path / "a.svg").read_text()
    assert "<!-- Uniform -->" in first
    assert all(f"<!-- {name} -->" in first for name in names(4))


def axes_of(matrix: np.ndarray) -> object:
    return drawing._figure(matrix, names(len(matrix)), "title").axes[0]


def test_diagonal_does_not_swallow_the_scale() -> None:
    mixture = np.array([[0.9, 0.02, 0.08], [0.05, 0.91, 0.04], [0.03, 0.07, 0.9]])
    picture = axes_of(mixture).images[0]
    assert (picture.norm.vmin, picture.norm.vmax) == (0.02, 0.08)
    np.testing.assert_array_equal(picture.get_array().mask, np.eye(3, dtype=bool))
    notes = [text.get_text() for text in axes_of(mixture).texts]
    assert "diagonal (grey) 0.9 to 0.91, elsewhere 0.02 to 0.08" in notes
    assert ".020" in notes


def test_negative_likeness_has_white_at_zero() -> None:
    likeness = np.array([[1, -0.6, 0.2], [-0.6, 1, 0.1], [0.2, 0.1, 1]])
    norm = axes_of(likeness).images[0].norm
    assert (norm.vmin, norm.vmax) == (-0.6, 0.6)


def test_names_stand_in_the_order_asked_for(tmp_path: Path) -> None:
    draw(fit({"name": "order", "r": 0.5}, num_classes=3), names(3), tmp_path / "m.svg", order=[2, 0, 1])
    written = (tmp_path / "m.svg").read_text()
    places = [written.index(f"<!-- class_{i} -->") for i in (2, 0, 1)]
    assert places == sorted(places)


def test_order_of_likeness_puts_superclasses_together() -> None:
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(6), 4))
    likeness = np.where(groups[:, None] == groups, 0.7, 0.1) + 0.3 * np.eye(24)
    ordered = groups[likeness_order(likeness)]
    assert (np.diff(ordered) != 0).sum() == 5
    assert sorted(likeness_order(likeness)) == list(range(24))


@pytest.mark.parametrize(
    ("matrix", "count", "path", "order", "message"),
    [
        (np.eye(3), 3, "m.pdf", None, "neither .png nor .svg"),
        (np.eye(3), 4, "m.png", None, r"shape \(3, 3\) cannot be drawn with 4 class names"),
        (np.ones((3, 2)), 3, "m.png", None, r"shape \(3, 2\) cannot be drawn"),
        (np.full((3, 3), np.nan), 3, "m.png", None, "not finite cannot be drawn"),
        (np.eye(3), 3, "m.png", [0, 1, 1], "not an order of 3 classes"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    matrix: np.ndarray, count: int, path: str, order: list[int] | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        draw(matrix, names(count), tmp_path / path, order=order)
