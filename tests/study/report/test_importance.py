"""How much each hyperparameter tells the best configs from the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from study.report.parts.importance import importances
from study.report.points import Point
from tests.study.conftest import ASHA, Todo
from tests.study.report.conftest import (
    Reporter,
    by_family,
    rows_of,
    section_of,
    tables,
    titles,
    words_of,
)


def test_importance_finds_the_hyperparameter_that_matters_by_both_methods() -> None:
    rng = np.random.default_rng(0)
    points = [
        Point(i, {"alpha": float(a), "kind": kind}, float(1 - (a - 0.7) ** 2), None, False, ())
        for i, (a, kind) in enumerate(zip(rng.uniform(0, 1, 40), rng.choice(["x", "y"], 40), strict=True))
    ]
    found = importances(points, ["alpha", "kind"], maximise=True)
    assert list(found) == ["fANOVA", "PED-ANOVA"]
    for estimate in found.values():
        assert estimate.shares["alpha"] > 0.8
        assert sum(estimate.shares.values()) == pytest.approx(1)
        assert all(estimate.low[key] <= estimate.high[key] for key in estimate.shares)


def test_intervals_of_importance_have_a_width() -> None:
    rng = np.random.default_rng(1)
    alpha, beta = rng.uniform(0, 1, (2, 40))
    points = [
        Point(i, {"alpha": float(a), "beta": float(b)}, float(a + b + noise), None, False, ())
        for i, (a, b, noise) in enumerate(zip(alpha, beta, rng.normal(0, 0.2, 40), strict=True))
    ]
    for estimate in importances(points, ["alpha", "beta"], maximise=True).values():
        assert all(estimate.high[key] - estimate.low[key] > 0.05 for key in estimate.shares)


@pytest.mark.parametrize("maximise", [True, False])
def test_ped_anova_asks_what_tells_the_best_tenth_from_the_rest(maximise: bool) -> None:
    """Alpha alone tells which configs are best, beta alone which are worst."""
    places = [(i + 0.5) / 100 for i in range(100)]
    points = [
        Point(i, {"alpha": alpha, "beta": places[i * 37 % 100]}, None, None, False, ())
        for i, alpha in enumerate(places)
    ]
    good = {p.number: 1.0 * (p.values["alpha"] > 0.9) or -1.0 * (p.values["beta"] < 0.1) for p in points}
    scored = [
        replace(p, screened=(1 if maximise else -1) * (good[p.number] + 0.001 * (p.number * 53 % 100) / 100))
        for p in points
    ]
    assert importances(scored, ["alpha", "beta"], maximise=maximise)["PED-ANOVA"].shares["alpha"] > 0.7


def test_configs_that_were_stopped_early_are_counted_where_importance_leaves_them_out(reporter: Reporter) -> None:
    def score(todo: Todo, epoch: int) -> float:
        return 0.5 + 0.005 * (todo.config.number * 37 % 60) + 0.001 * epoch

    reporter.worker.accuracy = score
    space = {"alpha": {"uniform": [0.5, 2.0]}, "training.optimizer.lr": {"loguniform": [0.01, 0.2]}}
    search = {"name": "random", "configs": 60, "repeats": 1}
    changes: dict[str, Any] = {"families": ["ce", {"family": "tce", "space": space}], "noise__rate": 0.0}
    reporter.launch(**changes, search=search, scheduler=ASHA)
    stopped = rows_of(tables(reporter)["states"])["search"]["stopped early"]
    section = section_of(reporter.document(), "Importance of hyperparameters")
    said = words_of(section) + " ".join(getattr(block, "caption", "") for block in section.blocks)
    assert int(stopped) > 0
    assert f"Not among these configs: {stopped} of tce, which a scheduler stopped early." in said


def test_importance_of_scores_without_variance_is_not_given_by_fanova() -> None:
    points = [Point(i, {"alpha": i / 10, "beta": (i * 7 % 10) / 10}, 0.5, None, False, ()) for i in range(20)]
    assert "fANOVA" not in importances(points, ["alpha", "beta"], maximise=True)


def test_many_configs_have_importances_and_few_a_sentence(reporter: Reporter) -> None:
    def score(todo: Todo, epoch: int) -> float:
        return by_family(todo, epoch) - abs(todo.config.params["alpha"] - 1) / 10

    reporter.worker.accuracy = score
    space = {"alpha": {"uniform": [0.5, 2.0]}, "training.optimizer.lr": {"loguniform": [0.01, 0.2]}}
    search: dict[str, Any] = {"name": "random", "repeats": 1}
    changes: dict[str, Any] = {"families": [{"family": "tce", "space": space}], "noise__rate": 0.0}
    reporter.launch(**changes, search=search | {"configs": 6}, search__repeats=1)
    few = section_of(reporter.document(), "Importance of hyperparameters")
    assert "Not given: with fewer than 20 completed configs of a family (the most here: n = 6)" in words_of(few)
    reporter.launch(**changes, search=search | {"configs": 22}, search__repeats=1)
    many = reporter.document()
    assert len(section_of(many, "Importance of hyperparameters").blocks) == 2
    assert "Configs at a glance" in titles(many)
