"""A class matrix as a picture: heat map with class names, PNG or SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

ANNOTATED = 20  # classes up to which every cell carries its number
DIAGONAL = "0.85"  # grey
AXES = ("class", "is like")  # what rows and columns are called


def draw(
    matrix: np.ndarray,
    class_names: Sequence[str],
    path: str | Path,
    *,
    title: str = "Class similarity",
    order: Sequence[int] | None = None,
    axes: tuple[str, str] = AXES,
) -> None:
    """Draw `[C, C]` as a heat map: row i says what class i is like. The ending of `path` says PNG or SVG.

    `axes` are what rows and columns are called.

    The colours span what lies off the diagonal; the diagonal, which would swallow the scale, is grey, and its range
    stands above. `order` puts the classes in another order, such as `likeness_order`'s. For targets,
    likenesses and learned mixtures alike. Raises ValueError where names or the ending do not fit.
    """
    path, size = Path(path), len(matrix)
    if path.suffix.lower() not in (".png", ".svg"):
        raise ValueError(f"{path} is neither .png nor .svg: pictures are written as these")
    if matrix.shape != (size, size) or len(class_names) != size or size < 2:
        raise ValueError(f"a matrix of shape {matrix.shape} cannot be drawn with {len(class_names)} class names")
    if not np.isfinite(matrix).all():
        raise ValueError("a matrix with entries that are not finite cannot be drawn")
    index = list(range(size)) if order is None else list(order)
    if sorted(index) != list(range(size)):
        raise ValueError(f"order is not an order of {size} classes")
    shown, names = matrix[np.ix_(index, index)].astype(np.float64), [class_names[i] for i in index]
    figure = _figure(shown, names, title, called=axes)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}  # the same picture is the same file
    figure.savefig(path, metadata=metadata, dpi=150, bbox_inches="tight")


def likeness_order(matrix: np.ndarray) -> list[int]:
    """Classes so that those alike lie beside one another: the leaves of average linkage, ordered optimally."""
    symmetric = (matrix + matrix.T) / 2
    distance = symmetric.max() - symmetric
    np.fill_diagonal(distance, 0)
    condensed = squareform(distance, checks=False)
    leaves: list[int] = leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed)).tolist()
    return leaves


def _figure(matrix: np.ndarray, names: list[str], title: str, called: tuple[str, str] = AXES) -> Figure:
    size = len(matrix)
    side = float(np.clip(0.6 * size, 4, 14))  # inches
    figure = Figure(figsize=(1.15 * side, side))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    off = ~np.eye(size, dtype=bool)
    norm, colours = _scale(matrix[off])
    image = axes.imshow(np.ma.masked_array(matrix, ~off), norm=norm, cmap=colours, interpolation="nearest")
    axes.set_facecolor(DIAGONAL)
    font = float(np.clip(44 * side / size, 5, 10))  # points
    axes.set_xticks(range(size), names, rotation=90 if max(map(len, names)) > 3 else 0, fontsize=font)
    axes.set_yticks(range(size), names, fontsize=font)
    axes.tick_params(length=0, pad=3)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(called[1], labelpad=6)
    axes.set_ylabel(called[0], labelpad=6)
    axes.set_title(title, loc="left", fontsize=13, pad=22)
    note = f"diagonal (grey) {_range(np.diag(matrix))}, elsewhere {_range(matrix[off])}"
    axes.annotate(note, (0, 1), (0, 6), "axes fraction", "offset points", fontsize=9, color="0.35")
    if size <= ANNOTATED:
        _write_values(axes, matrix, off, norm, colours)
    bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=9)
    return figure


def _scale(values: np.ndarray) -> tuple[Normalize, Colormap]:
    """White to blue over the values, or blue to red with white at 0 where some are negative."""
    low, high = float(values.min()), float(values.max())
    if low < 0:
        reach = max(-low, high)
        return Normalize(-reach, reach), colormaps["RdBu_r"]
    slack = 0 if high - low > 1e-9 else 0.5 * max(high, 1e-9)  # one value throughout: a colour from the middle
    return Normalize(low - slack, high + slack), colormaps["YlGnBu"]


def _range(values: np.ndarray) -> str:
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"
    return low if low == high else f"{low} to {high}"


def _write_values(axes: Axes, matrix: np.ndarray, off: np.ndarray, norm: Normalize, colours: Colormap) -> None:
    decimals = 2 if np.abs(matrix[off]).max() >= 0.1 else 3
    for i, j in np.argwhere(off):
        red, green, blue, _ = colours(norm(matrix[i, j]))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
        text = f"{matrix[i, j]:z.{decimals}f}".replace("0.", ".", 1)
        axes.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
