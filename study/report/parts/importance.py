"""Which hyperparameters mattered: fANOVA and PED-ANOVA, each with a bootstrap interval."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from study.records import states
from study.report.document import Block, Items, Paragraph, Picture, Section, slug
from study.report.gather import Material
from study.report.look import PALETTE, panels
from study.report.missing import not_shown, why_no_space
from study.report.points import Axis, Point, axis_of, points_of, searched_keys
from study.report.words import listed, value_text
from study.results.selection import CellResult

FEWEST_CONFIGS = 20
TREES = 64  # Optuna's own number
RESAMPLES, TREES_RESAMPLED = 20, 4  # forests are slow, and an interval needs no smooth ones
RESAMPLES_PED = 50
FEWEST_TOP = 5  # configs above PED-ANOVA's threshold, as its page in Optuna asks for
TOP_SHARE = 0.1
TITLE = "Importance of hyperparameters"
FANOVA, PED_ANOVA = METHODS = ("fANOVA", "PED-ANOVA")

Importances = dict[str, float]


@dataclass(frozen=True)
class Estimate:
    """Shares that sum to 1, and the 5th and 95th percentile over bootstrap resamples of the configs."""

    shares: Importances
    low: Importances
    high: Importances


Panel = tuple[list[Axis], dict[str, Estimate]]  # hyperparameters, and what each method says of them


def section(material: Material) -> Section | None:
    """A figure for each task, and what is not in it; a sentence where no family has enough configs."""
    completed = {cell.key: _completed(material, cell) for cells in material.tasks.values() for cell in cells}
    counts = [len(completed[cell.key]) for cell in material.searched if not why_no_space(cell, completed[cell.key])]
    if not counts:
        return None
    if max(counts) < FEWEST_CONFIGS:
        text = (
            f"Not given: with fewer than {FEWEST_CONFIGS} completed configs of a family (the most here: n = "
            f"{max(counts)}), both fANOVA and PED-ANOVA mirror chance more than hyperparameters."
        )
        return Section(TITLE, (Paragraph(f"{text} {_stopped(material.searched)}".strip()),))
    pictures: list[Block] = []
    absent: list[str] = []
    for task, cells in material.tasks.items():
        found, reasons = _estimated(
            [(cell, completed[cell.key]) for cell in cells], maximise=material.select.mode == "max"
        )
        if found:
            caption = " ".join(each for each in (CAPTION, _stopped(cells), not_shown(reasons)) if each)
            pictures.append(Picture(f"importance-{slug(task)}", task, caption, _draw(found)))
        else:
            absent.append(f"{task}: no figure. {not_shown(reasons)} {_stopped(cells)}".strip())
    return Section(TITLE, (Paragraph(TEXT), *pictures, *([Items(tuple(absent))] if absent else [])))


def _completed(material: Material, cell: CellResult) -> list[Point]:
    """The configs that completed the screening repeat, and have all that was searched."""
    points = [point for point in points_of(material, cell) if point.screened is not None]
    keys = searched_keys(cell, points)
    return [point for point in points if all(key in point.values for key in keys)]


def _stopped(cells: Sequence[CellResult]) -> str:
    """How many configs of what was searched a scheduler stopped, by family; empty where it stopped none."""
    stopped: Counter[str] = Counter()
    for cell in cells:
        if cell.facts.get("searched"):
            stopped[cell.facts["label"]] += cell.counts[states.STOPPED_EARLY]  # only screening is ever stopped
    said = [f"{count:,} of {label}" for label, count in stopped.items() if count]
    return f"Not among these configs: {listed(said)}, which a scheduler stopped early." if said else ""


def _estimated(
    completed: Sequence[tuple[CellResult, Sequence[Point]]], *, maximise: bool
) -> tuple[dict[str, Panel], dict[str, str]]:
    """What is drawn of a task's families, and why of the others nothing."""
    found: dict[str, Panel] = {}
    reasons: dict[str, str] = {}
    for cell, points in completed:
        label = cell.facts["label"]
        if why := why_no_space(cell, points) or _why_not(points):
            reasons[label] = why
            continue
        keys = searched_keys(cell, points)
        estimates = importances(points, keys, maximise=maximise)
        if estimates:
            found[f"{label} (n = {len(points)} configs)"] = [axis_of(key, points) for key in keys], estimates
        lacking = [method for method in METHODS if method not in estimates]
        reasons |= {f"{method} of {label}": "its scores hardly vary" for method in lacking}
    return found, reasons


def _why_not(points: Sequence[Point]) -> str:
    if len(points) < FEWEST_CONFIGS:
        return f"fewer than {FEWEST_CONFIGS} completed configs"
    return "all scores are equal" if len({point.screened for point in points}) == 1 else ""


TEXT = (
    "Shares of each family's own search, of the configs that completed the screening repeat, over the values that "
    "these tried; they say nothing about values beyond, wherever the study's space ends. fANOVA: the share of the "
    "score's variance over the values tried that a hyperparameter explains alone (Hutter et al., 2014). PED-ANOVA: how "
    "much a hyperparameter tells the best configs from the rest (Watanabe et al., 2023). They answer different "
    "questions and may disagree; where intervals overlap, the order is not settled."
)
CAPTION = (
    f"Bars: importance, normalised to sum to 1. Lines: 5th to 95th percentile over bootstrap resamples of the configs "
    f"({RESAMPLES} for fANOVA, with forests of {TREES_RESAMPLED} trees instead of {TREES}; {RESAMPLES_PED} for "
    "PED-ANOVA). The best tenth counts as best, or five configs where that is more."
)


def importances(points: Sequence[Point], keys: Sequence[str], *, maximise: bool) -> dict[str, Estimate]:
    """By method, of configs that have all of `keys`; a method that finds no variance to share out is left out."""
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    top = min(0.5, max(TOP_SHARE, FEWEST_TOP / len(points)))
    methods: dict[str, tuple[Callable[[int], Any], int, int]] = {
        FANOVA: (lambda trees: FanovaImportanceEvaluator(n_trees=trees, seed=0), RESAMPLES, TREES_RESAMPLED),
        PED_ANOVA: (lambda trees: PedAnovaImportanceEvaluator(target_quantile=top), RESAMPLES_PED, 0),
    }
    trials, found = _as_trials(points, {key: axis_of(key, points) for key in keys}), {}
    for name, (make, resamples, trees) in methods.items():
        shares = _evaluate(trials, keys, make(TREES), maximise)
        if not shares:
            continue
        draw = random.Random(0)
        again = (draw.choices(trials, k=len(trials)) for _ in range(resamples))
        resampled = [shares for sample in again if (shares := _evaluate(sample, keys, make(trees), maximise))]
        low, high = (
            {key: float(np.percentile([each[key] for each in resampled], q)) for key in keys} if resampled else shares
            for q in (5, 95)
        )
        found[name] = Estimate(shares, low, high)
    return found


def _as_trials(points: Sequence[Point], axes: Mapping[str, Axis]) -> list[Any]:
    """Configs as Optuna's trials. What was searched stands for the space: its values, or the interval they span."""
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    from optuna.trial import create_trial

    distributions: dict[str, BaseDistribution] = {
        key: CategoricalDistribution(axis.ticks) if axis.ticks else FloatDistribution(axis.low, axis.high, log=axis.log)
        for key, axis in axes.items()
    }
    return [
        create_trial(
            params={k: value_text(p.values[k]) if a.ticks else float(p.values[k]) for k, a in axes.items()},
            distributions=distributions,
            value=p.screened,
        )
        for p in points
    ]


def _evaluate(trials: Sequence[Any], keys: Sequence[str], evaluator: Any, maximise: bool) -> Importances:
    import optuna
    from optuna.importance import get_param_importances

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of regimes with few trials: the intervals say so
            study = optuna.create_study(direction="maximize" if maximise else "minimize")
            study.add_trials(trials)
            found = get_param_importances(study, evaluator=evaluator)
    except (RuntimeError, ZeroDivisionError):  # fANOVA's word for scores without variance
        return {}
    finally:
        optuna.logging.set_verbosity(level)
    return {key: float(found.get(key, 0.0)) for key in keys} if np.isfinite(list(found.values())).all() else {}


def _draw(found: dict[str, Panel]) -> Figure:
    most = max(len(axes) for axes, _ in found.values())
    figure, grid = panels(len(found), columns=2, height=0.75 + 0.42 * most, legend_rows=1)
    for axes, (name, (searched, estimates)) in zip(grid, found.items(), strict=True):
        for method, estimate in estimates.items():
            place = METHODS.index(method)
            shares = list(estimate.shares.values())
            at = np.arange(len(shares)) + (place - 0.5) * 0.38
            axes.barh(at, shares, 0.36, color=PALETTE[place], alpha=0.75)
            axes.hlines(at, list(estimate.low.values()), list(estimate.high.values()), color=PALETTE[place], lw=1.6)
            axes.plot(list(estimate.low.values()), at, "|", color=PALETTE[place], ms=5)
            axes.plot(list(estimate.high.values()), at, "|", color=PALETTE[place], ms=5)
        axes.set_title(name, fontsize=8.5)
        axes.set_yticks(range(len(searched)), [axis.name for axis in searched])
        axes.set_xlim(0, 1)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("importance")
    drawn = {method: place for place, method in enumerate(METHODS) if any(method in each for _, each in found.values())}
    handles = [Patch(color=PALETTE[place], alpha=0.75, label=method) for method, place in drawn.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure
