"""Figures of a report: labels that fit and do not touch, crowds of families, what was learned against its noise."""

from __future__ import annotations

import itertools
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.report.families import COLUMNS, Curve, draw_families
from study.report.labels import label_rows, left_title, part_ticks, wrap_titles
from study.report.look import CROWD, NAMED_OUTSIDE, SETTINGS, looks_of, panels, spare_outliers
from study.report.parts import learned
from tests.study.report.conftest import Reporter, section_of

NAMES = ["ce", "mse", "tce", "gce", "focal", "mae", "sce"]
LONG = "expected best validation accuracy (noisy labels)"


@pytest.fixture(autouse=True)
def settings() -> Any:
    with matplotlib.rc_context(SETTINGS):
        yield


def extents(axes: Axes) -> list[Any]:
    return [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]


def texts(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_name_of_all_rows_is_no_longer_than_the_panels_are_high_and_stands_at_their_middle(rows: int) -> None:
    figure, grid = panels(rows, columns=1, height=1.5)
    label_rows(figure, LONG)
    figure.draw_without_rendering()
    (label,) = figure.texts
    box, boxes = label.get_window_extent(), [axes.get_window_extent() for axes in grid]
    low, high = min(each.y0 for each in boxes), max(each.y1 for each in boxes)
    assert low - 1 <= box.y0 < box.y1 <= high + 1
    assert (box.y0 + box.y1) / 2 == pytest.approx((low + high) / 2, abs=2)
    assert label.get_text().split() == LONG.split()
    assert ("\n" in label.get_text()) == (rows == 1)


def test_tick_labels_that_would_touch_stand_in_two_lines_and_what_fits_in_neither_is_left_out() -> None:
    figure, (axes, other, _) = panels(3)
    axes.plot([0.0114, 0.0265, 0.101], [1, 2, 3])
    axes.set_xticks([0.0114, 0.013, 0.0265, 0.1, 0.101], ["0.0114", "0.013", "0.0265", "0.1", "0.101"])
    other.set_xticks([0, 1], ["0", "1"])
    part_ticks(figure)
    figure.draw_without_rendering()
    assert texts(axes) == ["0.0114", "\n0.013", "", "\n0.1", "0.101"]
    assert len(axes.get_xticks()) == 5
    for lines in ("\n", "0"):
        shown = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text().startswith(lines)]
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(shown))
    assert texts(other) == ["0", "1"]


def test_a_title_ends_before_the_next_panel_and_the_figure_do_and_short_ones_stay_in_a_line() -> None:
    figure, grid = panels(3, columns=2)
    long = "digits limit=400, uniform 0.4, small_cnn width=4 hidden=16, and more"
    for axes, title in zip(grid, (long, long, "tce"), strict=True):
        axes.set_title(title)
    wrap_titles(figure)
    figure.draw_without_rendering()
    boxes = [left_title(axes).get_window_extent() for axes in grid]
    assert boxes[0].x1 <= grid[1].get_window_extent().x0
    assert boxes[1].x1 <= figure.bbox.x1
    assert [left_title(axes).get_text().split() for axes in grid] == [long.split(), long.split(), ["tce"]]
    assert ["\n" in left_title(axes).get_text() for axes in grid] == [True, True, False]
    assert boxes[2].y1 < grid[0].get_window_extent().y0


def test_names_that_would_touch_are_slanted_and_none_is_left_out() -> None:
    figure, (axes, _, _) = panels(3)
    axes.set_xticks(range(5), names := [f"module number {i}" for i in range(5)])
    part_ticks(figure)
    assert texts(axes) == names
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {30.0}


def test_families_outside_are_named_above_the_panel_and_below_its_title_and_not_all_of_many() -> None:
    figure, (axes,) = panels(1)
    axes.set_title("validation accuracy")
    for place in range(30):
        axes.plot([1, 2], [0.9, 0.9 + 0.001 * place], label=f"family{place}")
    for name in ("first", "second", "the-one-with-the-long-name", "fourth"):
        axes.plot([1, 2], [0.1, 0.1], label=name)
    assert spare_outliers(axes)
    figure.draw_without_rendering()
    (said,) = axes.texts
    assert said.get_text() == "outside: first, second and 2 more"
    assert len(said.get_text()) < NAMED_OUTSIDE + 20
    title = left_title(axes).get_window_extent()
    assert axes.get_window_extent().y1 < said.get_window_extent().y0
    assert said.get_window_extent().y1 <= title.y0 + 1


def crowd() -> tuple[Figure, bool]:
    epochs, sd = np.arange(1, 6), 0.01
    curves = {}
    for place, family in enumerate(NAMES):
        means = np.full(5, 0.1) if family == "mae" else 0.9 + 0.01 * place + 0.001 * epochs
        curves[family] = Curve(epochs, means, means - sd, means + sd)
    return draw_families(curves, looks_of(NAMES, "ce"), "ce", ("epoch", "accuracy"), (0, 1))


def test_many_families_have_a_panel_each_with_the_others_behind_and_the_same_axes() -> None:
    figure, outside = crowd()
    assert [axes.get_title(loc="left") for axes in figure.axes] == NAMES
    assert {len(axes.lines) for axes in figure.axes} == {len(NAMES)}
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    low, high = figure.axes[0].get_ylim()
    assert 0.85 < low < 0.9
    assert high < 1.01
    assert outside
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes if axes.texts] == [["outside: mae"]]
    own = [axes.lines[-1].get_color() for axes in figure.axes]
    assert own == [look.color for look in looks_of(NAMES, "ce").values()]
    assert sum(bool(axes.get_xlabel()) for axes in figure.axes) == len(NAMES) % COLUMNS


def test_a_report_on_many_families_draws_curves_memorisation_and_noise_by_family(reporter: Reporter) -> None:
    reporter.worker.accuracy = lambda todo, epoch: 0.8 + 0.001 * (epoch + todo.repeat)
    reporter.launch(families=NAMES, noise__rate=[0.0, 0.2, 0.4], search__repeats=2, search__configs=1)
    document = reporter.document()
    assert len(NAMES) > CROWD
    for title, metric in (
        ("Learning curves", "train_loss"), ("Memorisation of wrong labels", "train_memorised"),
        ("Against the noise rate", "val_accuracy_clean"),
    ):  # fmt: skip
        pictures = [each for each in section_of(document, title).blocks if hasattr(each, "figure")]
        assert any(metric in picture.name for picture in pictures)
        assert all([axes.get_title(loc="left") for axes in each.figure.axes] == NAMES for each in pictures)
        assert all("the others in grey and ce dashed" in picture.caption for picture in pictures)


def test_two_noise_rates_are_two_marks_in_a_row_for_each_family(reporter: Reporter) -> None:
    reporter.launch(families=["ce", "mse"], noise__rate=[0.0, 0.4], search__repeats=3)
    (picture,) = (b for b in section_of(reporter.document(), "Against the noise rate").blocks if hasattr(b, "figure"))
    axes = picture.figure.axes[0]
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ce", "mse"]
    assert [float(np.asarray(line.get_ydata())[0]) for line in marks] == [0, 0, 1, 1]
    assert len({line.get_markerfacecolor() for line in marks if line.get_color() == marks[0].get_color()}) == 2


@pytest.mark.parametrize("repeats", [1, 3])
def test_what_was_learned_stands_beside_where_it_started_and_how_repeats_differ(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch, repeats: int
) -> None:
    draw = np.random.default_rng(0)

    def kept(folder: Any, which: str) -> dict[str, np.ndarray]:
        return {"epsilon": 0.2 + 0.01 * draw.normal(size=10), "mixture": np.full((10, 10), 0.15)}

    monkeypatch.setattr(learned, "kept_arrays", kept)
    space = {"epsilon": 0.1, "similarity": "uniform"}
    families = [{"family": name, "space": space} for name in ("gmcel", "sg_mcel")]
    reporter.worker.accuracy = lambda todo, epoch: 0.8 + 0.001 * todo.repeat
    reporter.launch(families=families, noise__rate=0.0, search__repeats=repeats)
    section = section_of(reporter.document(), "What the losses learned")
    shown = {block.name.removesuffix("-digits-clean-mlp-hidden-8"): block for block in section.blocks[1:]}
    mixture, epsilon = shown["learned-gmcel-mixture"], shown["learned-sg_mcel-epsilon"]
    titles = [axes.get_title(loc="left") for axes in mixture.figure.axes]
    assert titles[:3] == ["Start of mixture", "Learned mixture", "Moved more than the average"]
    assert titles[3:] == (["sd over n = 3 repeats"] if repeats == 3 else [])
    assert "Rows sum to 1.5 (1.5 to 1.5) from 1 at the start: nothing but penalties" in mixture.caption
    assert ("no spread can be given" in epsilon.caption) == (repeats == 1)
    (start,) = [each for each in epsilon.figure.axes[0].collections if len(each.get_paths()) == 10][:1]
    assert [float(np.asarray(path.vertices)[0, 1]) for path in start.get_paths()] == pytest.approx([0.1] * 10)
    assert ("entries moved to the same side in all n = 3" in epsilon.caption) == (repeats == 3)


def test_colours_of_what_was_learned_span_no_less_than_its_noise() -> None:
    values = np.random.default_rng(0).normal(0.1, 0.05, size=(3, 10, 10))
    starts = values.mean(axis=0, keepdims=True).repeat(3, axis=0)
    figure = learned._draw_matrices(values, starts, [str(number) for number in range(10)], "mixture")
    sd = float(np.sqrt(values.var(axis=0, ddof=1).mean()))
    for axes in figure.axes[:3]:
        low, high = axes.images[0].get_clim()
        assert high - low >= 2 * learned.NOISE * sd * 0.99


def test_a_learned_mixture_far_from_its_start_is_coloured_by_how_its_entries_differ() -> None:
    mean = np.linspace(0.020, 0.022, 100).reshape(10, 10)
    values, starts = np.array([mean, mean + 1e-5]), np.full((2, 10, 10), 0.001)
    figure = learned._draw_matrices(values, starts, [str(number) for number in range(10)], "mixture")
    start, learnt, _, _ = (axes.images[0].get_clim() for axes in figure.axes)
    assert learnt == pytest.approx((0.02, 0.022), abs=1e-4)
    assert start[0] >= 0


def test_rows_of_shares_are_said_to_sum_to_one() -> None:
    values = np.full((2, 4, 4), 0.25)
    assert learned._sums_in_words(values, None).startswith("Rows sum to 1: they are shares")


def test_entries_that_move_alike_in_every_repeat_are_counted_beside_what_chance_would_have() -> None:
    moves = np.array([[0.5, 0.1, 0.3, 0.3], [0.6, 0.2, 0.4, 0.3], [0.5, 0.1, 0.2, 0.4]])
    said = learned._moves_in_words(moves)
    assert "moved by +0.325" in said
    assert "2 of 4 entries moved to the same side in all n = 3 repeats" in said
    assert "about 1 would" in said
