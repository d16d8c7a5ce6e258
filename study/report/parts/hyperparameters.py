"""Scores against each searched hyperparameter."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from matplotlib.axes import Axes

from study.planning.agenda import SCREENING
from study.records import states
from study.report.document import Block, Items, Paragraph, Picture, Section, slug
from study.report.gather import Material
from study.report.labels import label_rows, part_ticks
from study.report.look import (
    BAND,
    OUTSIDE,
    RASTER_FROM,
    Look,
    add_legend,
    legend_height,
    panels,
    spare_outliers,
)
from study.report.points import Axis, Point, axis_of, points_of, searched_keys
from study.report.words import listed, metric_words
from study.results.numbers import counted
from study.results.selection import CellResult
from study.spec.spaces import identity_of

FEW_TICKS = 6  # values that are named on an axis
FEW_VALUES = 12  # up to which means are joined by a line
CROSSES = "Crosses: those that a scheduler stopped, at what fewer epochs gave. "
LARGE_MARKS = (
    "Large marks: means of the configs with that value that have all repeats, joined where the values are few; the "
    "band spans those configs' lowest and highest mean. "
)
SHARED = "training."  # settings that families share


@dataclass(frozen=True)
class Panel:
    """A hyperparameter, and the points of the families that have it."""

    key: str
    title: str
    axis: Axis
    families: dict[str, list[Point]]


def section(material: Material) -> Section | None:
    """A figure for each task, a panel for each hyperparameter; None where nothing was searched."""
    pictures: list[Block] = []
    missing: list[str] = []
    for task, cells in material.tasks.items():
        found = _panels(material, cells)
        if found:
            pictures.append(_picture(material, task, found))
        missing += [sentence for cell in cells if (sentence := _not_shown(material, cell))]
    if missing:
        pictures.append(Items(tuple(missing)))
    if not pictures:
        return None
    return Section(
        "Against each hyperparameter",
        (
            Paragraph(
                "Each panel lets the other hyperparameters vary as they did in the search: it shows how a setting went "
                "along with the score, not what changing it alone would do. The screening repeat is the first one, "
                "on which every config is trained."
            ),
            *pictures,
        ),
    )


def _panels(material: Material, cells: list[CellResult]) -> list[Panel]:
    own: list[Panel] = []
    shared: dict[str, dict[str, list[Point]]] = {}
    for cell in cells:
        scored = [point for point in points_of(material, cell) if point.reached is not None]
        for key in searched_keys(cell, scored):
            if key.startswith(SHARED):
                shared.setdefault(key, {})[cell.facts["label"]] = scored
            else:
                label, name = cell.facts["label"], key.rpartition(".")[2]
                own.append(Panel(key, f"{label}: {name}", axis_of(key, scored), {label: scored}))
    joint = []
    for key, families in shared.items():
        axis = axis_of(key, [point for points in families.values() for point in points])
        title = (
            f"{axis.name}, {len(families)} families" if len(families) > 1 else f"{next(iter(families))}: {axis.name}"
        )
        joint.append(Panel(key, title, axis, families))
    return joint + own


def _not_shown(material: Material, cell: CellResult) -> str:
    """A sentence about the hyperparameters that were searched and have no panel, and why; empty where there is none."""
    asked = [Point(config.number, config.params, None, None, False, ()) for config in cell.configs]
    scored = [point for point in points_of(material, cell) if point.reached is not None]
    lost = [key for key in searched_keys(cell, asked) if key not in searched_keys(cell, scored)]
    if not lost:
        return ""
    screened = (trial for config in cell.configs for trial in material.by_config.get(config.key, [])[:1])
    ended = states.in_words(Counter(trial.state for trial in screened if trial.repeat == SCREENING))
    names = listed([key.rpartition(".")[2] for key in lost])
    return (
        f"{cell.facts['label']} on {cell.facts['task']}: no panel of {names}, of which fewer than two values have a "
        f"score; on the screening repeat, of {counted(len(cell.configs), 'config')}: {ended or 'none ran'}."
    )


def _picture(material: Material, task: str, found: list[Panel]) -> Picture:
    families = [name for name in material.families if any(name in panel.families for panel in found)]
    figure, grid = panels(len(found), height=1.95, legend_rows=legend_height(families))
    cut = False
    for axes, panel in zip(grid, found, strict=True):
        drawn = [_draw(axes, panel, points, material.looks[family]) for family, points in panel.families.items()]
        axes.set_title(panel.title)
        _set_ticks(axes, panel)
        cut |= spare_outliers(axes, groups=[list(chain(*values)) for values in zip(*drawn, strict=True)])
    add_legend(figure, families, material.looks, marks=True)
    label_rows(figure, metric_words(material.select.monitor, clean=material.is_clean(task)))
    part_ticks(figure)
    shown = [point for panel in found for points in panel.families.values() for point in points]
    repeated = any(len(point.scores) > 1 for point in shown)
    stopped = any(point.stopped is not None for point in shown)
    caption = (
        f"{'Small marks' if repeated else 'Marks'}: configs on the screening repeat (n = 1 each). {CROSSES * stopped}"
        f"{LARGE_MARKS * repeated}Scores are of validation images."
    )
    caption += f" {OUTSIDE}" * cut
    return Picture(f"hyperparameters-{slug(task)}", task, caption, figure)


def _set_ticks(axes: Axes, panel: Panel) -> None:
    """Few values are named themselves."""
    if panel.axis.log:
        axes.set_xscale("log")
    if panel.axis.ticks:
        axes.set_xticks(range(len(panel.axis.ticks)), [_short(text) for text in panel.axis.ticks])
        axes.margins(x=0.2)
        return
    values = sorted({float(p.values[panel.key]) for ps in panel.families.values() for p in ps if panel.key in p.values})
    if len(values) <= FEW_TICKS:
        axes.set_xticks(values, [f"{value:.3g}" for value in values])
        axes.minorticks_off()


def _draw(axes: Axes, panel: Panel, points: Sequence[Point], look: Look) -> tuple[list[float], ...]:
    """The heights of small marks, of crosses and of large marks."""
    here = [point for point in points if panel.key in point.values]
    places = [panel.axis.place(point.values[panel.key]) for point in here]
    many = len(here) > RASTER_FROM
    ended = [(at, point.screened) for at, point in zip(places, here, strict=True) if point.screened is not None]
    stopped = [(at, point.stopped) for at, point in zip(places, here, strict=True) if point.stopped is not None]
    axes.plot([at for at, _ in ended], [y for _, y in ended], **look.marks, ms=3.2, alpha=0.7, mew=0, rasterized=many)
    axes.plot(
        [at for at, _ in stopped], [y for _, y in stopped], "x", color=look.color, ms=3.2, alpha=0.7, rasterized=many
    )
    small = [y for _, y in ended], [y for _, y in stopped]
    most = max((len(point.scores) for point in here), default=0)
    if most < 2:
        return *small, []
    groups: dict[str, list[Point]] = {}
    for point in here:
        if len(point.scores) == most:
            groups.setdefault(identity_of(point.values[panel.key]), []).append(point)
    means = sorted(
        (panel.axis.place(group[0].values[panel.key]), [statistics.fmean(point.scores) for point in group])
        for group in groups.values()
    )
    xs, ys = [place for place, _ in means], [statistics.fmean(values) for _, values in means]
    if len(xs) <= FEW_VALUES and len({identity_of(p.values[panel.key]) for p in here}) <= FEW_VALUES:
        axes.plot(xs, ys, **look.line, marker=look.marker, ms=4.5)
        low, high = [min(values) for _, values in means], [max(values) for _, values in means]
        axes.fill_between(xs, low, high, color=look.color, alpha=BAND, lw=0)
    else:
        axes.plot(xs, ys, **look.marks, ms=4.5, mfc="none", rasterized=len(xs) > RASTER_FROM)
    return *small, ys


def _short(text: str) -> str:
    return text if len(text) <= 12 else f"{text[:11]}…"
