"""Many families in one figure: a panel for each, the others in grey behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.report.labels import label_rows
from study.report.look import BAND, ROOM, Look, end_axis, ends_without_outliers, panels

COLUMNS = 4
OTHERS = "#a9adb3"  # darker than a grid, on either paper
HEIGHT = 1.45  # inches of a panel
WHO = "A panel for each family, with the others in grey and {baseline} dashed."


@dataclass(frozen=True)
class Curve:
    """A family's means at `places`, and where the band or the bars around them end, all `[n]`."""

    places: np.ndarray
    means: np.ndarray
    low: np.ndarray
    high: np.ndarray


def draw_families(
    curves: Mapping[str, Curve],
    looks: Mapping[str, Look],
    baseline: str,
    names: tuple[str, str],
    limits: tuple[float, float],
    *,
    bars: bool = False,
    whole: bool = False,
    log: bool = False,
) -> tuple[Figure, bool]:
    """A panel for each family, all with the same axes; whether any ends outside. `names` are what axes are called.

    Axes keep within `limits`, and end where outliers begin unless the `whole` is to be shown, which may be on a scale
    that is `log`. `bars` says that places are few, and have a mark and an interval each instead of a line with a band.
    """
    figure, grid = panels(len(curves), columns=COLUMNS, height=HEIGHT, legend_rows=1)
    ends = None if whole else _ends(curves, limits, by_place=bars)
    outside = False
    for number, (axes, (family, curve)) in enumerate(zip(grid, curves.items(), strict=True)):
        for other, behind in curves.items():
            if other not in (family, baseline):
                axes.plot(behind.places, behind.means, color=OTHERS, lw=0.7, zorder=1.5)
        if family != baseline and baseline in curves:
            behind = curves[baseline]
            axes.plot(behind.places, behind.means, **looks[baseline].line, lw=0.8, zorder=1.8)
        _draw(axes, curve, looks[family], family, bars=bars)
        axes.set_title(family)
        axes.locator_params(axis="x", integer=not bars, nbins=4)
        if bars:
            axes.set_xticks(sorted({place for each in curves.values() for place in each.places.tolist()}))
        if ends is not None:
            outside |= end_axis(axes, "y", ends)
        if log:
            axes.set_yscale("log")
        axes.tick_params(labelleft=number % COLUMNS == 0, labelbottom=number + COLUMNS >= len(curves))
        axes.set_xlabel(names[0] if number // COLUMNS == (len(curves) - 1) // COLUMNS else "")
    if whole:
        shared = [axes.get_ylim() for axes in grid]
        for axes in grid:
            axes.set_ylim(min(low for low, _ in shared), max(high for _, high in shared))
    if baseline in curves:
        figure.legend(handles=[Line2D([], [], label=baseline, **looks[baseline].line)], loc="outside lower center")
    label_rows(figure, names[1])
    return figure, outside


def _draw(axes: Axes, curve: Curve, look: Look, family: str, *, bars: bool) -> None:
    if bars:
        reach = [curve.means - curve.low, curve.high - curve.means]
        axes.errorbar(
            curve.places, curve.means, reach, **look.line, marker=look.marker, elinewidth=0.9, ms=3.5, zorder=3
        )
        return
    axes.plot(curve.places, curve.means, **look.line, label=family, zorder=3)
    if (curve.low < curve.high).any():
        axes.fill_between(curve.places, curve.low, curve.high, color=look.color, alpha=1.5 * BAND, lw=0, zorder=2)


def _ends(curves: Mapping[str, Curve], limits: tuple[float, float], *, by_place: bool) -> tuple[float, float]:
    """Where all panels' axes end: with bands and bars, within `limits`, where outliers of all, or `by_place`, begin."""
    low, high = (
        np.concatenate(found) for found in zip(*((each.low, each.high) for each in curves.values()), strict=True)
    )
    least, most = max(float(low.min()), limits[0]), min(float(high.max()), limits[1])
    room = ROOM * ((most - least) or 1.0)
    now = least - room, most + room
    places = np.concatenate([each.places for each in curves.values()])
    means = np.concatenate([each.means for each in curves.values()])
    drawn = (means, low, high)
    groups = [each[places == place] for place in np.unique(places) for each in drawn] if by_place else [*drawn]
    return ends_without_outliers(groups, now) or now
