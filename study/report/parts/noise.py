"""Scores against the rate of label noise, and the area under them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np

from study.ledger import CONFIRM
from study.limits import limits_of
from study.report.document import Block, Entry, Paragraph, Picture, Section, Table, slug
from study.report.gather import Material
from study.report.look import OUTSIDE, add_legend, keep_within, legend_height, panels, spare_outliers
from study.report.words import common_n, metric_words, repeats_words, score_text, with_n
from study.statistics import interval

FEWEST_RATES = 3  # of an area: that of two is the mean of their scores
CLEAN = "none"  # the kind of a task without noise, with which the curve of every other kind begins

Curve = dict[float, dict[int, float]]  # noise rate to the score of each repeat


def section(material: Material) -> Section | None:
    """A figure for each data set, network and kind of noise with at least two rates, a table from three on."""
    blocks: list[Block] = []
    for title, curves in _groups(material):
        blocks.append(_picture(material, title, curves))
        if _num_rates(curves) >= FEWEST_RATES:
            blocks.append(_areas(title, curves))
        else:
            blocks.append(
                Paragraph(
                    "No area under these curves is given: over two rates it is the mean of two scores that stand above."
                )
            )
    if not blocks:
        return None
    return Section(
        "Against the noise rate",
        (
            Paragraph(
                "Each point is the best config of that rate, so settings may differ along a curve. Lines between rates "
                "are no measurements."
            ),
            *blocks,
        ),
    )


def _metrics(material: Material) -> tuple[str, ...]:
    if material.comparison.phase == CONFIRM:
        return (material.select.test_metric,)
    return (f"{material.select.metric}_noisy", f"{material.select.metric}_clean")


def _groups(material: Material) -> Iterator[tuple[str, dict[str, dict[str, Curve]]]]:
    """Title, and metric to family to curve."""
    facts = [cell.facts for cell in material.judged]
    kinds = dict.fromkeys((f["dataset"], f["model"], f["noise_kind"]) for f in facts if f["noise_kind"] != CLEAN)
    for dataset, model, kind in kinds:
        curves: dict[str, dict[str, Curve]] = {}
        for cell in material.judged:
            if (cell.facts["dataset"], cell.facts["model"]) != (dataset, model) or cell.best is None:
                continue
            if cell.facts["noise_kind"] not in (kind, CLEAN):
                continue
            for metric in _metrics(material):
                values = material.values(cell, metric)
                repeats = [trial.repeat for trial in cell.best.trials]
                if values:
                    curve = curves.setdefault(metric, {}).setdefault(cell.facts["label"], {})
                    curve[cell.facts["noise_rate"]] = dict(zip(repeats, values, strict=True))
        if any(len(curve) > 1 for families in curves.values() for curve in families.values()):
            yield f"{dataset}, {kind} noise, {model}", curves


def _num_rates(curves: dict[str, dict[str, Curve]]) -> int:
    return len({rate for families in curves.values() for curve in families.values() for rate in curve})


def _picture(material: Material, title: str, curves: dict[str, dict[str, Curve]]) -> Picture:
    families = [name for name in material.families if any(name in found for found in curves.values())]
    figure, grid = panels(len(curves), columns=2, height=2.7, legend_rows=legend_height(families))
    rates = sorted({rate for found in curves.values() for curve in found.values() for rate in curve})
    step = min(np.diff(rates)) * 0.25 / len(families)
    cut = False
    for axes, (metric, found) in zip(grid, curves.items(), strict=True):
        shown: dict[tuple[float, str], list[float]] = {}
        for place, family in enumerate(families):
            points = sorted(found.get(family, {}).items())
            shift = (place - (len(families) - 1) / 2) * step  # error bars beside one another
            means = [statistics.fmean(scores.values()) for _, scores in points]
            bars = [interval(list(scores.values())) for _, scores in points]
            reach = [
                (mean - bar[0], bar[1] - mean) if bar else (0.0, 0.0) for mean, bar in zip(means, bars, strict=True)
            ]
            for (rate, _), mean, bar in zip(points, means, bars, strict=True):
                for what, value in zip(("mean", "low", "high"), (mean, *(bar or ())), strict=False):
                    shown.setdefault((rate, what), []).append(value)
            look = material.looks[family]
            axes.errorbar(
                [rate + shift for rate, _ in points], means, np.array(reach).T if reach else None,
                **look.line, marker=look.marker, elinewidth=0.8, ms=3.5,
            )  # fmt: skip
        axes.set(xlabel="noise rate asked for", ylabel=metric_words(metric))
        axes.set_xticks(rates)
        keep_within(axes, "y", limits_of(metric))
        cut |= spare_outliers(axes, groups=shown.values())  # scores of another rate are no outliers
        keep_within(axes, "y", limits_of(metric))
    add_legend(figure, families, material.looks, marks=True)
    caption = (
        "Mean over repeats and its 95 % interval; none for a single repeat. Marks stand beside one another for "
        "legibility. The axis does not go beyond what the metric can be, as wide intervals do."
    )
    if len(curves) > 1:
        caption += " Scores against noisy labels fall because no classifier can match them; the right panel, against "
        caption += "the true labels, is what a user would not know."
    caption += f" {OUTSIDE}" * cut
    return Picture(f"noise-{slug(title)}", title, caption, figure)


def _areas(title: str, curves: dict[str, dict[str, Curve]]) -> Table:
    areas = {metric: {name: area(curve) for name, curve in found.items()} for metric, found in curves.items()}
    common = common_n(len(values) for found in areas.values() for values in found.values())
    families = dict.fromkeys(name for found in areas.values() for name in found)
    rows: list[tuple[Entry, ...]] = []
    for family in families:
        values = [areas[metric].get(family, []) for metric in curves]
        rows.append((family, *(with_n(score_text(each), len(each), common) for each in values)))
    return Table(
        f"area-{slug(title)}",
        f"Area under the curve over the noise rate: {title}",
        "l" + "r" * len(curves),
        ("family", *(metric_words(metric) for metric in curves)),
        tuple(rows),
        f"By the trapezoidal rule for each repeat, divided by the range of rates: a mean score. "
        f"{repeats_words(common)}",
    )


def area(curve: Curve) -> list[float]:
    """The area under a curve for each repeat that every rate has, divided by the range of rates, `[repeats]`."""
    rates = sorted(curve)
    if len(rates) < 2:
        return []
    repeats = sorted(set.intersection(*(set(scores) for scores in curve.values())))
    width = rates[-1] - rates[0]
    return [float(np.trapezoid([curve[rate][repeat] for rate in rates], rates)) / width for repeat in repeats]
