"""What every figure looks like: sizes, ink, and a colour, a mark and a dash for each family."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

WIDTH = 7.4  # inches
INK, FAINT = "#1c1e21", "#d4d6da"  # text and lines; grids. The page puts its own colours in their place
PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00",  # Okabe and Ito, 2008
    "#6a3d9a", "#8c4a2f", "#8f9400", "#a50f3c",  # so that the families of a usual study have a hue each
)  # fmt: skip
MARKS, DASHES = "osD^vP*X", ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
BASELINE_DASH = (0, (3, 1.2))
BAND = 0.14  # opacity
FENCE = 1.5  # interquartile ranges beyond the quartiles, as in a box plot
FEWEST = 5  # values of which any is called an outlier
STRETCH = 1.5  # times its length without outliers that an axis grows to take in the nearest of them
ARROWS = {"x": ("$\\leftarrow$", "$\\rightarrow$"), "y": ("$\\downarrow$", "$\\uparrow$")}  # low and high end
OUTSIDE = "Axes end where far outliers begin: an arrow there stands for a mark beyond the end."
ROOM = 0.03  # of an axis, for the half of a mark that lies beyond its end
CROWD = 6  # families that can be told apart in one panel
NAMED_OUTSIDE = 40  # letters
RASTER_FROM = 400  # marks in one panel, from which they are pixels in an SVG too
SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 8.5,
    "axes.facecolor": "none",
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.labelsize": 8.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "svg.hashsalt": "study report",  # the same figure is the same file
    "svg.fonttype": "path",
    "image.cmap": "cividis",
}


@dataclass(frozen=True)
class Look:
    """How a family is drawn, in every figure alike."""

    color: str
    marker: str
    dash: Any

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of a line."""
        return {"color": self.color, "linestyle": self.dash}

    @property
    def marks(self) -> dict[str, Any]:
        """Arguments of marks without a line."""
        return {"color": self.color, "marker": self.marker, "linestyle": "none"}


def looks_of(families: Sequence[str], baseline: str) -> dict[str, Look]:
    """A look for each family: the baseline in ink, the others in colours, then again with other marks and dashes."""
    found = {baseline: Look(INK, MARKS[0], BASELINE_DASH)}
    for place, family in enumerate(name for name in families if name != baseline):
        turn = place // len(PALETTE)
        mark = MARKS[(place + turn + 1) % len(MARKS)]
        found[family] = Look(PALETTE[place % len(PALETTE)], mark, DASHES[turn % len(DASHES)])
    return found


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, inches, without pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def panels(count: int, *, columns: int = 3, height: float = 2.0, legend_rows: int = 0) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, row by row; those left over in the last row are not drawn."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    width = WIDTH if columns > 1 else 0.75 * WIDTH
    figure = new_figure(rows * height + 0.2 * legend_rows, width)
    grid = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axes in grid[count:]:
        axes.remove()
    return figure, list(grid[:count])


def keep_within(axes: Axes, along: Literal["x", "y"], limits: tuple[float, float]) -> None:
    """No more of an axis than where values may lie, with room for a mark: intervals may go on, the axis does not."""
    low, high = axes.get_xlim() if along == "x" else axes.get_ylim()
    least, most = limits
    room = ROOM * (min(high, most) - max(low, least))
    axes.set(**{f"{along}lim": (max(low, least - room), min(high, most + room))})


def spare_outliers(axes: Axes, along: Literal["x", "y"] = "y", groups: Iterable[Sequence[float]] | None = None) -> bool:
    """End a linear axis where outliers begin that would flatten the rest, and say what lies outside; whether any does.

    Outliers are beyond Tukey's fences of one of the `groups` of values, by default of all that is shown at once; near
    ones are let in. A mark outside becomes an arrow at the axis's end, a line without marks that ends there is named.
    """
    now = axes.get_xlim() if along == "x" else axes.get_ylim()
    ends = ends_without_outliers([_shown(axes, along)] if groups is None else groups, now)
    return ends is not None and end_axis(axes, along, ends)


def end_axis(axes: Axes, along: Literal["x", "y"], ends: tuple[float, float]) -> bool:
    """Let an axis reach over `ends` alone, with arrows and names for what lies outside; whether anything does."""
    axes.set(**{f"{along}lim": ends})
    named, arrows = [], 0
    for line in list(axes.lines):
        values = np.asarray(line.get_data()[along == "y"], dtype=float)
        beyond = (values < ends[0], values > ends[1])
        if line.get_marker() not in ("", "None", None):
            for where, end, arrow in zip(beyond, ends, ARROWS[along], strict=True):
                arrows += _draw_arrows(axes, line, along, where, end, arrow)
        elif (beyond[0] | beyond[1])[-1:].any() and not str(line.get_label()).startswith(
            "_"
        ):  # matplotlib's own labels
            named.append(str(line.get_label()))
    if named:
        _name_outside(axes, named)
    return bool(named or arrows)


def _name_outside(axes: Axes, names: Sequence[str]) -> None:
    """Between a panel and its title, where no line is."""
    shown = [
        name for number, name in enumerate(names, 1) if number == 1 or len(", ".join(names[:number])) <= NAMED_OUTSIDE
    ]
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    axes.annotate(
        f"outside: {', '.join(shown)}{more}", (0, 1), (0, 3), xycoords="axes fraction", textcoords="offset points",
        ha="left", va="bottom", fontsize=7,
    )  # fmt: skip
    axes.set_title(axes.get_title(loc="left"), loc="left", pad=14)


def _shown(axes: Axes, along: Literal["x", "y"]) -> np.ndarray:
    """What lines and bands show."""
    place = int(along == "y")
    bands = [np.asarray(path.vertices)[:, place] for each in axes.collections for path in each.get_paths()]
    lines = [np.asarray(line.get_data()[place], dtype=float) for line in axes.lines]
    return np.concatenate([np.empty(0), *lines, *bands])


def ends_without_outliers(
    groups: Iterable[Sequence[float] | np.ndarray], now: tuple[float, float]
) -> tuple[float, float] | None:
    """Where an axis that reaches over `now` ends; None where all that is shown lies between."""
    found = [np.clip(group, *now) for group in groups if len(group)]
    inside = []
    for values in found:
        low, high = np.quantile(values, (0.25, 0.75))
        reach = FENCE * (high - low) if len(values) >= FEWEST else np.inf
        inside.append(values[(values >= low - reach) & (values <= high + reach)])
    if not inside:
        return None
    every, kept = np.concatenate(found), np.concatenate(inside)
    least, most = float(kept.min()), float(kept.max())
    longest = STRETCH * (most - least)
    for value in sorted(every, key=lambda value: max(least - value, value - most)):
        if max(most, value) - min(least, value) <= longest:
            least, most = min(least, float(value)), max(most, float(value))
    if longest == 0 or (least, most) == (every.min(), every.max()):
        return None
    room = ROOM * (most - least)
    return max(now[0], least - room), min(now[1], most + room)


def _draw_arrows(axes: Axes, line: Line2D, along: Literal["x", "y"], where: np.ndarray, end: float, arrow: str) -> int:
    """At the `end` of an axis, for the marks of a line that lie beyond it; how many there are."""
    if not where.any():
        return 0
    across = np.asarray(line.get_data()[along == "x"], dtype=float)[where]
    ends = np.full(len(across), end)
    axes.plot(
        *((ends, across) if along == "x" else (across, ends)), linestyle="none", marker=arrow, ms=7, mew=0.5,
        color=line.get_color(), alpha=line.get_alpha(), clip_on=False, rasterized=line.get_rasterized(),
    )  # fmt: skip
    return len(across)


def legend_height(families: Sequence[str]) -> int:
    """Rows that a legend below a figure takes."""
    return math.ceil(len(families) / _legend_columns(families))


def add_legend(figure: Figure, families: Iterable[str], looks: dict[str, Look], *, marks: bool = False) -> None:
    """Families by name below a figure; left out for a single one."""
    shown = list(families)
    if len(shown) < 2:
        return
    handles = [
        Line2D([], [], label=name, **looks[name].line, marker=looks[name].marker if marks else "") for name in shown
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=_legend_columns(shown), handlelength=2.6)


def _legend_columns(families: Sequence[str]) -> int:
    most = max(1, min(len(families), int(96 // (max(map(len, families)) + 9))))
    return math.ceil(len(families) / math.ceil(len(families) / most))  # rows of much the same length
