"""Configs as lines across their hyperparameters: parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from study.report.document import Block, Items, Paragraph, Picture, Section, slug
from study.report.gather import Material
from study.report.look import FAINT, INK, RASTER_FROM, panels
from study.report.missing import not_shown, why_no_space
from study.report.points import Axis, Point, axis_of, points_of, searched_keys
from study.report.words import metric_words, value_text
from study.results.limits import limits_of

FEWEST_CONFIGS = 4
COLOURS = LinearSegmentedColormap.from_list("worst to best", ("#e69f00", "#9a9da3", "#0072b2"))  # for both papers
LONGEST = 14  # letters of a value
FEW = 10  # images, by which scores differ at least that stand for the worst and the best colour


def section(material: Material) -> Section | None:
    """A figure for each task, a panel for each family that searched several hyperparameters, and who lacks one."""
    pictures: list[Block] = []
    absent: list[str] = []
    for task, cells in material.tasks.items():
        images: set[int | None] = set()
        found: dict[str, tuple[list[str], list[Point]]] = {}
        reasons: dict[str, str] = {}
        for cell in cells:
            label, points = cell.facts["label"], points_of(material, cell)
            if why := why_no_space(cell, points) or _why_not(points):
                reasons[label] = why
                continue
            found[label] = searched_keys(cell, points), points
            images.add(material.sizes(cell)["validation"] if cell.best else None)
        if found:
            picture = _picture(material, task, found, min(filter(None, images), default=None))
            pictures.append(replace(picture, caption=f"{picture.caption} {not_shown(reasons)}".strip()))
        else:
            absent.append(f"{task}: no figure. {not_shown(reasons)}")
    if not pictures:
        return None
    text = (
        "A line is a config: where it crosses an axis is its value there, its colour its score on the screening repeat "
        "(n = 1 each). Thin grey lines are configs that a scheduler stopped or that diverged. Bundles of blue lines "
        "show settings that went well together; few configs show little."
    )
    return Section("Configs at a glance", (Paragraph(text), *pictures, *([Items(tuple(absent))] if absent else [])))


def _why_not(points: Sequence[Point]) -> str:
    if len(points) < FEWEST_CONFIGS:
        return f"fewer than {FEWEST_CONFIGS} configs"
    return "" if any(point.screened is not None for point in points) else "no config completed the screening repeat"


def _picture(
    material: Material, task: str, found: dict[str, tuple[list[str], list[Point]]], images: int | None
) -> Picture:
    """`images` are those that a score is a share of, where it is one and their number is known."""
    share = limits_of(material.select.monitor) == (0, 1)
    contrast = FEW / images if share and images else 0.0
    figure, grid = panels(len(found), columns=2, height=1.75)
    for axes, (family, (keys, points)) in zip(grid, found.items(), strict=True):
        _draw(axes, keys, points, material.select.mode == "max", contrast)
        axes.set_title(f"{family} (n = {len(points)} configs)", pad=14)
    caption = (
        f"Score: {metric_words(material.select.monitor, clean=material.is_clean(task))}. Colours: a panel's worst "
        "(orange) to its best (blue); the text's own colour where all its scores are equal."
    )
    if share and images:
        caption += (
            f" One image of {images:,} is {1 / images:.2g} of a score: the colours of a panel whose scores span fewer "
            f"than {FEW} images are the paler, since a few images are chance."
        )
    return Picture(f"configs-{slug(task)}", task, caption, figure)


def _shades(scores: Sequence[float], contrast: float, *, more_is_better: bool) -> list[float]:
    """From the worst score, 0, to the best, 1; around the middle where they span less than `contrast`."""
    low, high = min(scores), max(scores)
    least, span = low - max(0.0, contrast - (high - low)) / 2, max(contrast, high - low)
    risen = [(score - least) / span if span else 0.5 for score in scores]
    return risen if more_is_better else [1 - each for each in risen]


def _draw(
    axes: Axes, keys: Sequence[str], points: Sequence[Point], more_is_better: bool, contrast: float = 0.0
) -> None:
    scores = [point.screened for point in points if point.screened is not None]
    every = [axis_of(key, points) for key in keys] + [Axis("score", log=False, low=min(scores), high=max(scores))]
    shades = iter(_shades(scores, contrast, more_is_better=more_is_better))
    many = len(points) > RASTER_FROM
    for point in points:
        heights = {i: every[i].share(point.values[key]) for i, key in enumerate(keys) if key in point.values}
        if point.screened is None:
            axes.plot(list(heights), list(heights.values()), color=FAINT, lw=0.7, zorder=1, rasterized=many)
            continue
        heights[len(keys)] = every[-1].share(point.screened)
        shade = next(shades)
        color = COLOURS(shade) if min(scores) < max(scores) else INK
        above = 2 + shade  # the best on top
        axes.plot(list(heights), list(heights.values()), color=color, lw=1.1, zorder=above, rasterized=many)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_yticks([])
    axes.set_xticks(range(len(every)), [f"{axis.name} (log)" if axis.log else axis.name for axis in every])
    axes.tick_params(axis="x", length=0, pad=10)
    axes.set_xlim(-0.35, len(every) - 0.65)
    axes.set_ylim(-0.02, 1.02)
    for place, axis in enumerate(every):
        axes.axvline(place, color=INK, lw=0.7, zorder=1.5)
        for value in axis.ticks or dict.fromkeys((axis.low, axis.high)):
            _name(axes, value_text(value), place, axis.share(value))


def _name(axes: Axes, text: str, place: int, height: float) -> None:
    """A value beside its axis; above or below it at the ends."""
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    if 0 < height < 1:
        offset, across, along = (3, 0), "left", "center"
    else:
        offset, across, along = ((0, 3), "center", "bottom") if height else ((0, -3), "center", "top")
    axes.annotate(
        short, (place, height), offset, textcoords="offset points", ha=across, va=along, fontsize=7, zorder=4
    )  # fmt: skip
