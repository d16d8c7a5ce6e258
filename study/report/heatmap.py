"""Class matrices side by side as heat maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from study.report.look import WIDTH, new_figure

NAMED, ANNOTATED = 30, 12  # classes up to which ticks bear names, and cells their numbers
CLOSE = 0.08  # a range that takes a third decimal to show
DIAGONAL = "#b5b8bd"

Range = tuple[float, float]
Matrix = tuple[str, np.ndarray, tuple[str, str]]  # title, [C, C], what rows and columns are called


def draw_matrices(matrices: Sequence[Matrix], names: Sequence[str], ranges: Sequence[Range] | None = None) -> Figure:
    """Some `[C, C]`, two in a row. Colours span `ranges`, by default what lies off the diagonal, which is grey."""
    rows, columns = -(-len(matrices) // 2), min(2, len(matrices))
    figure = new_figure(0.52 * WIDTH * rows, WIDTH) if columns > 1 else new_figure(0.5 * WIDTH, 0.52 * WIDTH)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(matrices) :]:
        axes.remove()
    spans = ranges or [off_diagonal_range(matrix) for _, matrix, _ in matrices]
    for axes, (title, matrix, called), span in zip(grid, matrices, spans, strict=False):
        _draw(axes, matrix, names, span)
        axes.set_title(title)
        axes.set(ylabel=called[0], xlabel=called[1])
    return figure


def off_diagonal_range(matrix: np.ndarray) -> Range:
    """The lowest and the highest entry off the diagonal of a `[C, C]`."""
    shown = matrix[~np.eye(len(matrix), dtype=bool)]
    return float(shown.min()), float(shown.max())


def _draw(axes: Axes, matrix: np.ndarray, names: Sequence[str], span: Range) -> None:
    size = len(matrix)
    off = ~np.eye(size, dtype=bool)
    low, high = span
    norm = Normalize(-max(-low, high), max(-low, high)) if low < 0 else Normalize(min(low, high - 1e-9), high)
    colours = colormaps["RdBu_r" if low < 0 else "YlGnBu"]
    axes.imshow(np.ma.masked_array(matrix, ~off), norm=norm, cmap=colours, interpolation="nearest")
    axes.set_facecolor(DIAGONAL)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if size <= NAMED:
        font = 7 if size <= ANNOTATED else 5.5
        axes.set_xticks(range(size), names, rotation=90 if max(map(len, names)) > 2 else 0, fontsize=font)
        axes.set_yticks(range(size), names, fontsize=font)
    if size > ANNOTATED:
        return
    decimals = 2 if high - low >= CLOSE else 3
    for i in range(size):
        for j in range(size):
            red, green, blue, _ = colours(norm(matrix[i, j])) if i != j else (0.71, 0.72, 0.74, 1.0)
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
            text = f"{matrix[i, j]:z.{decimals}f}".replace("0.", ".", 1) if matrix[i, j] else ""
            axes.text(j, i, text, ha="center", va="center", fontsize=6, color="#ffffff" if dark else "#000000")
