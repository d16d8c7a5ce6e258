"""What tuning brings: the best score to be expected of n configs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from study.report.document import Block, Paragraph, Picture, Section, slug
from study.report.gather import Material
from study.report.labels import label_rows
from study.report.look import add_legend, legend_height, panels, spare_outliers
from study.report.points import Point, points_of
from study.report.words import metric_words

FEWEST_CONFIGS = 3


def section(material: Material) -> Section | None:
    """One figure, a panel for each task; None where no family has three configs."""
    more = material.select.mode == "max"
    curves: dict[str, dict[str, list[float]]] = {}
    for task, cells in material.tasks.items():
        for cell in cells:
            scores = _scores(points_of(material, cell), more)
            if len(scores) >= FEWEST_CONFIGS:
                curves.setdefault(task, {})[cell.facts["label"]] = expected_best(scores, maximise=more)
    if not curves:
        return None
    families = [name for name in material.families if any(name in found for found in curves.values())]
    figure, grid = panels(len(curves), columns=2, height=2.5, legend_rows=legend_height(families))
    for axes, (task, found) in zip(grid, curves.items(), strict=True):
        for family, values in found.items():
            axes.plot(range(1, len(values) + 1), values, **material.looks[family].line, label=family)
        axes.set_title(task)
        spare_outliers(axes)
        axes.set_xlabel("configs tried")
        axes.locator_params(axis="x", integer=True)
    add_legend(figure, families, material.looks)
    label_rows(figure, f"expected best {metric_words(material.select.monitor, clean=material.some_clean)}")
    blocks: list[Block] = [Paragraph(_text(material)), Picture(f"tuning-{slug('all')}", "Tuning", CAPTION, figure)]
    return Section("Expected best of n configs", tuple(blocks))


CAPTION = (
    "The mean best score among n of a family's configs, drawn without replacement, on the screening repeat. Configs "
    "that a scheduler stopped count with what they had reached, diverged ones as the family's worst. "
    "Axes leave out what lies far from most; a panel names families that end outside it."
)


def _text(material: Material) -> str:
    said = (
        "A family that is ahead at the right but not at the left needs tuning to get there: compare families at the "
        "number of configs that you would pay for. The best of many noisy scores flatters, as every selection does."
    )
    search = material.spec["search"]["name"]
    if search not in ("random", "quasi_random"):
        said += f" The configs were proposed by '{search}', not drawn at random: another order would give other curves."
    return said


def _scores(points: Sequence[Point], more_is_better: bool) -> list[float]:
    reached = [point.reached for point in points if not point.diverged]
    known = [score for score in reached if score is not None]
    if not known:
        return []
    worst = min(known) if more_is_better else max(known)
    return known + [worst] * (len(points) - len(known))


def expected_best(scores: Sequence[float], *, maximise: bool = True) -> list[float]:
    """The expected best of n of N scores drawn without replacement, for n = 1 to N, `[N]`.

    sum_i x_(i) C(i - 1, n - 1) / C(N, n), with x_(i) the i-th from the worst; n = 1 is the mean, n = N the best. Dodge
    et al., Show Your Work, 2019, have it with replacement.
    """
    ordered = np.array(sorted(scores, reverse=maximise))  # the best first
    places = np.arange(len(ordered), 1, -1)  # i of all but the worst
    found = []
    for n in range(1, len(ordered) + 1):
        ratios = np.clip(places - n, 0, None) / (places - 1)  # of one weight to that of the next better score
        weights = n / len(ordered) * np.concatenate([[1.0], np.cumprod(ratios)])
        found.append(float(weights @ ordered))
    return found
