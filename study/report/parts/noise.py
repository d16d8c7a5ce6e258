"""Scores against the rate of label noise, and the area under them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.records.ledger import CONFIRM
from study.records.ledger_reader import TrialRecord
from study.report.document import Block, Entry, Paragraph, Picture, Section, Table, slug
from study.report.families import WHO, draw_families
from study.report.families import Curve as FamilyCurve
from study.report.gather import Material
from study.report.labels import part_ticks
from study.report.look import CROWD, INK, OUTSIDE, add_legend, keep_within, legend_height, panels, spare_outliers
from study.report.words import common_n, listed, metric_words, noise_name, repeats_words, score_text, with_n
from study.results.limits import limits_of
from study.results.selection import CellResult
from study.results.statistics import interval
from trainables.similarity import identity

FEWEST_RATES = 3  # of an area: that of two is the mean of their scores
BESIDE = 0.16  # of a row, that the intervals of two rates lie beside its marks
CLEAN = "none"  # the kind of a task without noise, with which the curve of every other kind begins

Curve = dict[float, dict[int, float]]  # noise rate to the score of each repeat


def section(material: Material) -> Section | None:
    """A figure for each data set, network and kind of noise with at least two rates, a table from three on."""
    blocks: list[Block] = []
    for title, curves in _groups(material):
        blocks += _pictures(material, title, curves)
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
    """Title, and metric to family to curve: one of each data set, network and noise, whatever its rate."""
    cells = {cell.key: cell for cell in material.judged if cell.best}
    noises = {key: _but_its_rate(material, cell) for key, cell in cells.items()}
    found: dict[tuple[str, str, str], list[CellResult]] = {}
    for key, cell in cells.items():
        if cell.facts["noise_kind"] != CLEAN:
            found.setdefault((cell.facts["dataset"], cell.facts["model"], noises[key]), []).append(cell)
    names = {(*group[:2], _name(members)) for group, members in found.items()}
    told_apart = len(names) == len(found)
    for (dataset, model, noise), members in found.items():
        curves: dict[str, dict[str, Curve]] = {}
        for key, cell in cells.items():
            if (cell.facts["dataset"], cell.facts["model"]) != (dataset, model):
                continue
            if noises[key] != noise and cell.facts["noise_kind"] != CLEAN:
                continue
            for metric in _metrics(material):
                values = material.values(cell, metric)
                repeats = [trial.repeat for trial in _trials(cell)]
                if values:
                    curve = curves.setdefault(metric, {}).setdefault(cell.facts["label"], {})
                    curve[cell.facts["noise_rate"]] = dict(zip(repeats, values, strict=True))
        if any(len(curve) > 1 for families in curves.values() for curve in families.values()):
            name = _name(members) if told_apart else listed(list(dict.fromkeys(c.facts["noise"] for c in members)))
            yield f"{dataset}, {name} noise, {model}", curves


def _but_its_rate(material: Material, cell: CellResult) -> str:
    """What is the same along a curve: a noise's kind and options, such as a mapping of classes."""
    described = identity(material.described[_trials(cell)[0].key]["noise"])
    return json.dumps(
        {name: value for name, value in described.items() if name not in ("rate", "seed")}, sort_keys=True
    )


def _trials(cell: CellResult) -> tuple[TrialRecord, ...]:
    assert cell.best is not None
    return cell.best.trials


def _name(members: Sequence[CellResult]) -> str:
    """What tables call a noise, but for its rate; labels are those of the study file."""
    return listed(list(dict.fromkeys(noise_name(cell.facts) for cell in members)))


def _num_rates(curves: dict[str, dict[str, Curve]]) -> int:
    return len({rate for families in curves.values() for curve in families.values() for rate in curve})


def _pictures(material: Material, title: str, curves: dict[str, dict[str, Curve]]) -> list[Picture]:
    """In one figure; where rates are many and families a crowd, in one for each metric."""
    families = [name for name in material.families if any(name in found for found in curves.values())]
    caption = "Mean over repeats and its 95 % interval; none for a single repeat."
    ends = " The axis does not go beyond what the metric can be, as wide intervals do."
    if len(curves) > 1:
        ends += " Scores against noisy labels fall because no classifier can match them; those against the true labels "
        ends += "are what a user would not know."
    if _num_rates(curves) < FEWEST_RATES:
        figure, cut = _draw_rows(material, families, curves)
        caption += (
            " A line joins the rates of a family: its length is what the noise cost. The lower rate's interval stands "
            "above that line, the higher one's below."
        )
    elif len(families) > CROWD:
        return [_draw_crowd(material, title, metric, found, caption + ends) for metric, found in curves.items()]
    else:
        figure, cut = _draw_together(material, families, curves)
        caption += " Marks stand beside one another for legibility."
    return [Picture(f"noise-{slug(title)}", title, caption + ends + f" {OUTSIDE}" * cut, figure)]


def _means(curve: Curve) -> FamilyCurve:
    """Means and 95 % intervals by rate; an interval of a single repeat is its mean."""
    points = sorted(curve.items())
    means = [statistics.fmean(scores.values()) for _, scores in points]
    bars = [interval(list(scores.values())) or (mean, mean) for (_, scores), mean in zip(points, means, strict=True)]
    rates = np.array([rate for rate, _ in points])
    return FamilyCurve(rates, np.array(means), np.array([low for low, _ in bars]), np.array([high for _, high in bars]))


def _groups_of(curves: Iterable[FamilyCurve]) -> list[list[float]]:
    """What may hold outliers: means, and ends of intervals, of a rate; scores of another rate are none."""
    found: dict[tuple[float, str], list[float]] = {}
    for curve in curves:
        for rate, mean, low, high in zip(curve.places, curve.means, curve.low, curve.high, strict=True):
            for what, value in zip(("mean", "low", "high"), (mean, *((low, high) if low < high else ())), strict=False):
                found.setdefault((float(rate), what), []).append(float(value))
    return list(found.values())


def _draw_rows(material: Material, families: Sequence[str], curves: dict[str, dict[str, Curve]]) -> tuple[Figure, bool]:
    """A row for each family, with a mark for each rate, beside one another for each metric."""
    figure, grid = panels(len(curves), columns=2, height=0.75 + 0.2 * len(families), legend_rows=1)
    rates = sorted({rate for found in curves.values() for curve in found.values() for rate in curve})
    cut = False
    for number, (axes, (metric, found)) in enumerate(zip(grid, curves.items(), strict=True)):
        drawn = {family: _means(curve) for family, curve in found.items()}
        for family, curve in drawn.items():
            row, color = families.index(family), material.looks[family].color
            axes.plot(curve.means, [row] * len(curve.means), color=color, lw=0.8, alpha=0.6)
            for rate, mean, low, high in zip(curve.places, curve.means, curve.low, curve.high, strict=True):
                first = rate == rates[0]
                beside = row + (-BESIDE if first else BESIDE)
                axes.plot([low, high], [beside, beside], color=color, lw=0.9, alpha=0.8)
                axes.plot([mean], [row], "o", color=color, mfc=color if first else "white", ms=4.5)
        axes.set_xlabel(metric_words(metric))
        axes.set_yticks(range(len(families)), families if number == 0 else [""] * len(families))
        axes.set_ylim(len(families) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        keep_within(axes, "x", limits_of(metric))
        cut |= spare_outliers(axes, "x", _groups_of(drawn.values()))
        keep_within(axes, "x", limits_of(metric))
    faces = [INK, *("white" for _ in rates[1:])]
    handles = [
        Line2D([], [], color=INK, marker="o", mfc=face, ls="none", label=f"noise rate {rate:g}")
        for rate, face in zip(rates, faces, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure, cut


def _draw_crowd(material: Material, title: str, metric: str, found: dict[str, Curve], caption: str) -> Picture:
    """A panel for each family."""
    words, baseline = metric_words(metric), material.comparison.baseline
    drawn = {family: _means(curve) for family, curve in found.items()}
    figure, cut = draw_families(drawn, material.looks, baseline, ("noise rate", words), limits_of(metric), bars=True)
    said = f"{caption} {WHO.format(baseline=baseline)}" + f" {OUTSIDE}" * cut
    return Picture(f"noise-{slug(metric)}-{slug(title)}", f"{words.capitalize()}: {title}", said, figure)


def _draw_together(
    material: Material, families: Sequence[str], curves: dict[str, dict[str, Curve]]
) -> tuple[Figure, bool]:
    """A panel for each metric, a line for each family."""
    figure, grid = panels(len(curves), columns=2, height=2.7, legend_rows=legend_height(families))
    rates = sorted({rate for found in curves.values() for curve in found.values() for rate in curve})
    step = min(np.diff(rates)) * 0.25 / len(families)
    cut = False
    for axes, (metric, found) in zip(grid, curves.items(), strict=True):
        drawn = {family: _means(curve) for family, curve in found.items()}
        for place, family in enumerate(families):
            if family not in drawn:
                continue
            curve, look = drawn[family], material.looks[family]
            shift = (place - (len(families) - 1) / 2) * step  # error bars beside one another
            axes.errorbar(
                curve.places + shift, curve.means, [curve.means - curve.low, curve.high - curve.means],
                **look.line, marker=look.marker, elinewidth=0.8, ms=3.5,
            )  # fmt: skip
        axes.set(xlabel="noise rate asked for", ylabel=metric_words(metric))
        axes.set_xticks(rates)
        keep_within(axes, "y", limits_of(metric))
        cut |= spare_outliers(axes, groups=_groups_of(drawn.values()))
        keep_within(axes, "y", limits_of(metric))
    add_legend(figure, families, material.looks, marks=True)
    part_ticks(figure)
    return figure, cut


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
