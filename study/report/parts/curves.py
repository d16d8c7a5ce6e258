"""Learning curves of each family's best config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.report.document import Block, Paragraph, Picture, Section, slug
from study.report.families import WHO, Curve, draw_families
from study.report.gather import Material
from study.report.look import BAND, CROWD, Look, add_legend, keep_within, legend_height, panels, spare_outliers
from study.report.words import finite, metric_words
from study.results.limits import OWN_LOSS, limits_of
from study.results.selection import CellResult


def section(material: Material) -> Section | None:
    """A figure for each task; None where no epoch was reported twice, so that there is no curve."""
    pictures: list[Block] = []
    for task, cells in material.tasks.items():
        metrics = (*validation_metrics(material, cells), OWN_LOSS)
        clean = len(metrics) == 2
        shown = {name: metric_words(name, clean=clean) for name in metrics if has_curve(material, cells, name)}
        pictures += curve_pictures(material, "curves", task, cells, shown, CAPTION)
    if not pictures:
        return None
    text = "The best config of each family in the search, after every epoch, on training and validation images."
    return Section("Learning curves", (Paragraph(text), *pictures))


def validation_metrics(material: Material, cells: Sequence[CellResult]) -> tuple[str, ...]:
    """The selection metric against noisy and true labels; once where labels are clean, and both are the same."""
    metric = material.select.metric
    clean = all(cell.facts["noise_rate"] == 0 for cell in cells)
    return (f"{metric}_clean",) if clean else (f"{metric}_noisy", f"{metric}_clean")


CAPTION = (
    "Line: mean over repeats. Band: ± standard deviation over repeats; none for a single repeat. Axes of scores "
    "leave out what lies far from most, such as first epochs; a panel names families that end outside it."
)
OWN = " The training loss is the family's own: heights of different families do not compare."


def has_curve(material: Material, cells: Sequence[CellResult], metric: str) -> bool:
    """Whether any cell's best config reported a metric at more than one epoch."""
    return any(len(curve_of(material, cell, metric)[0]) > 1 for cell in cells)


def curve_pictures(
    material: Material,
    name: str,
    task: str,
    cells: Sequence[CellResult],
    metrics: Mapping[str, str],
    caption: str,
) -> list[Picture]:
    """What `metrics`, each with its title, were after each epoch: in one figure, with a panel for each metric.

    Families that would be a crowd have a figure for each metric, with a panel for each family.
    """
    cells = [cell for cell in cells if cell.best]
    if not metrics:
        return []
    if len(cells) <= CROWD:
        figure = _draw_metrics(material, cells, metrics)
        return [Picture(f"{name}-{slug(task)}", task, caption + OWN * (OWN_LOSS in metrics), figure)]
    baseline, pictures = material.comparison.baseline, []
    for metric, title in metrics.items():
        curves = {
            cell.facts["label"]: _curve(*found) for cell in cells if len((found := curve_of(material, cell, metric))[0])
        }
        loss = metric == OWN_LOSS
        positive = all((each.low > 0).all() for each in curves.values())
        figure, _ = draw_families(
            curves, material.looks, baseline, ("epoch", title), limits_of(metric), whole=loss, log=loss and positive
        )
        said = f"{caption} {WHO.format(baseline=baseline)}" + OWN * loss
        pictures.append(Picture(f"{name}-{slug(metric)}-{slug(task)}", f"{title.capitalize()}: {task}", said, figure))
    return pictures


def _curve(epochs: np.ndarray, values: np.ndarray) -> Curve:
    mean = values.mean(axis=0)
    sd = values.std(axis=0, ddof=1) if len(values) > 1 else 0.0
    return Curve(epochs, mean, mean - sd, mean + sd)


def _draw_metrics(material: Material, cells: Sequence[CellResult], metrics: Mapping[str, str]) -> Figure:
    """A panel for each metric, a line for each family."""
    families = [cell.facts["label"] for cell in cells]
    figure, grid = panels(len(metrics), height=2.3, legend_rows=legend_height(families))
    for axes, (metric, title) in zip(grid, metrics.items(), strict=True):
        drawn = [_draw(axes, material, cell, metric) for cell in cells]
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.locator_params(axis="x", integer=True, nbins=6)
        if metric == OWN_LOSS and all(low > 0 for low in drawn):
            axes.set_yscale("log")  # before limits are kept, which would be the linear axis's
        keep_within(axes, "y", limits_of(metric))
        if metric != OWN_LOSS:
            spare_outliers(axes)
    add_legend(figure, families, material.looks)
    return figure


def _draw(axes: Axes, material: Material, cell: CellResult, metric: str) -> float:
    """The lowest value that is drawn."""
    epochs, values = curve_of(material, cell, metric)
    look: Look = material.looks[cell.facts["label"]]
    if not len(epochs):
        return 1.0
    mean = values.mean(axis=0)
    axes.plot(epochs, mean, **look.line, lw=1.1, label=cell.facts["label"])
    lowest = mean
    if len(values) > 1:
        sd = values.std(axis=0, ddof=1)
        lowest = mean - sd
        axes.fill_between(epochs, mean - sd, mean + sd, color=look.color, alpha=BAND, lw=0)
    return float(lowest.min())


def curve_of(material: Material, cell: CellResult, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs `[E]` that every repeat of the best config reported, and the metric there, `[repeats, E]`."""
    repeats = [
        {epoch: report[metric] for epoch, report in material.reports[trial.key] if finite(report.get(metric))}
        for trial in (cell.best.trials if cell.best else ())
    ]
    epochs = sorted(set.intersection(*(set(each) for each in repeats))) if repeats else []
    return np.array(epochs), np.array([[each[epoch] for epoch in epochs] for each in repeats])
