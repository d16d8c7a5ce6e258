"""Scores against hyperparameters, configs at a glance, and the best of n of them."""

from __future__ import annotations

import itertools
import statistics
from typing import Any

import pytest

from study.records.states import DIVERGED, STOPPED_EARLY
from study.report.look import FAINT, INK, panels
from study.report.parts import configs
from study.report.parts.tuning import expected_best
from study.report.points import Point
from tests.study.report.conftest import (
    CLEAN,
    STOPPING,
    Reporter,
    rows_of,
    section_of,
    tables,
)


def panels_of(document: Any) -> dict[str, Any]:
    """The hyperparameter panels of the one task, by their titles."""
    blocks = section_of(document, "Against each hyperparameter").blocks
    figure = next(block.figure for block in blocks if hasattr(block, "figure"))
    return {axes.get_title(loc="left"): axes for axes in figure.axes}


def test_configs_that_a_scheduler_stopped_are_crosses_in_their_panel(reporter: Reporter) -> None:
    reporter.launch(**STOPPING)
    with reporter.ledger() as ledger:
        stopped = [trial.last_score for trial in ledger.trials().values() if trial.state == STOPPED_EARLY]
    assert len(stopped) == 3  # so that one value alone was trained to its end
    document = reporter.document()
    completed, crosses = panels_of(document)["tce: alpha"].lines
    assert len(completed.get_xdata()) == 1
    assert crosses.get_marker() == "x"
    assert sorted(crosses.get_ydata()) == pytest.approx(sorted(score for score in stopped if score is not None))
    section = section_of(document, "Against each hyperparameter")
    assert any("Crosses: those that a scheduler stopped" in getattr(block, "caption", "") for block in section.blocks)


def test_a_family_without_a_panel_is_named_with_the_reason(reporter: Reporter) -> None:
    reporter.worker.mishap = lambda todo, epoch: DIVERGED if todo.cell.name == "tce" and todo.config.number else None
    reporter.launch(**STOPPING | {"scheduler": {"name": "none"}})
    section = section_of(reporter.document(), "Against each hyperparameter")
    (items,) = (block.texts for block in section.blocks if hasattr(block, "texts"))
    assert items == (
        f"tce on {CLEAN}: no panel of alpha, of which fewer than two values have a score; on the screening repeat, of "
        "4 configs: 1 completed, 3 diverged.",
    )


def test_families_are_named_in_full_with_what_was_searched_and_what_was_fixed(reporter: Reporter) -> None:
    reporter.launch(families=["ce", {"family": "tce", "label": "mild", "space": {"alpha": 0.5}}], noise__rate=0.0)
    rows = rows_of(tables(reporter)["families"])
    assert list(rows["ce"].values())[1:] == ["cross entropy", "nothing", "–", "1"]
    assert list(rows["mild"].values())[1:] == ["tamed cross entropy (TCE)", "nothing", "alpha 0.5", "1"]


@pytest.mark.parametrize("scores", [(0.9, None), (0.9, 0.9)])
def test_configs_of_a_single_score_are_drawn_neither_as_best_nor_as_worst(scores: tuple[float | None, ...]) -> None:
    colours = colours_of_configs(scores)
    assert set(colours) - {FAINT} == {INK}
    assert (FAINT in colours) == (None in scores)


def test_the_best_config_is_blue_and_the_worst_orange() -> None:
    best, worst = colours_of_configs((0.9, 0.1))
    assert best == configs.COLOURS(1.0)
    assert worst == configs.COLOURS(0.0)


def test_configs_that_differ_by_one_image_have_much_the_same_colour_and_by_many_all_the_contrast() -> None:
    for sign in (1, -1):
        one, many = (
            configs._shades([0.9, 0.9 + sign * images / 287], configs.FEW / 287, more_is_better=sign == 1)
            for images in (1, 2 * configs.FEW)
        )
        assert one[1] - one[0] == pytest.approx(1 / configs.FEW)
        assert sum(one) == pytest.approx(1)
        assert many == pytest.approx([0, 1])


def colours_of_configs(scores: tuple[float | None, ...]) -> list[Any]:
    points = [Point(i, {"lr": 0.1 * (i + 1)}, score, None, False, ()) for i, score in enumerate(scores)]
    (axes,) = panels(1)[1]
    configs._draw(axes, ["lr"], points, more_is_better=True)
    return [line.get_color() for line in axes.lines[: len(scores)]]


def test_the_expected_best_of_n_is_the_mean_over_all_draws_without_replacement() -> None:
    scores = [0.3, 0.9, 0.5, 0.7, 0.7]
    for maximise, best in ((True, max), (False, min)):
        means = [
            statistics.fmean(best(draw) for draw in itertools.combinations(scores, n))
            for n in range(1, len(scores) + 1)
        ]
        assert expected_best(scores, maximise=maximise) == pytest.approx(means)


def test_the_expected_best_of_many_configs_stays_exact() -> None:
    values = expected_best([i / 2000 for i in range(2000)])
    assert values[0] == pytest.approx(0.49975)
    assert values[-1] == pytest.approx(0.9995)
    assert all(a <= b for a, b in itertools.pairwise(values))
