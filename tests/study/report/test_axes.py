"""What figures show: axes that outliers do not set, colours that stay."""

from __future__ import annotations

import numpy as np
import pytest

from study.report.look import INK, looks_of, panels, spare_outliers
from study.results.limits import limits_of
from tests.study.conftest import Todo
from tests.study.report.conftest import (
    Reporter,
    rows_of,
)


def test_axes_of_shares_end_where_shares_do_though_an_interval_of_two_repeats_does_not(reporter: Reporter) -> None:
    reporter.worker.accuracy = lambda todo, epoch: 0.3 + 0.6 * todo.repeat + 0.001 * epoch
    reporter.launch(families=["ce", "mse"], search__repeats=2)
    document = reporter.document()
    shown = {picture.name: picture.figure.axes for picture in document.pictures}
    limits = [axes.get_xlim() for axes in shown["scores"]]
    limits += [axes.get_xlim() for axes in shown["noise-digits-uniform-noise-mlp-hidden-8"]]
    limits += [axes.get_ylim() for axes in shown["curves-digits-clean-mlp-hidden-8"][:1]]
    for low, high in limits:
        assert -0.05 < low < 0.3
        assert 0.9 < high < 1.05
    table = next(table for table in document.tables if table.name.startswith("tests-"))
    assert rows_of(table)["ce"]["95 % interval"] == "0.0000 to 1.0000"
    assert "end where the metric does" in table.note


def test_every_training_loss_lies_within_its_axis_though_some_are_a_hundred_times_others(reporter: Reporter) -> None:
    reporter.launch()
    pictures = {picture.name: picture.figure for picture in reporter.document().pictures}
    axes = pictures["curves-digits-clean-mlp-hidden-8"].axes[-1]
    low, high = axes.get_ylim()
    drawn = np.array([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    assert axes.get_yscale() == "log"
    assert drawn.max() / drawn.min() > 100
    assert low < drawn.min() < 1.5 * low
    assert high / 1.5 < drawn.max() < high


def test_a_family_far_below_the_others_does_not_set_their_axis_and_is_named() -> None:
    (axes,) = panels(1)[1]
    for place in range(10):
        axes.plot([1, 2, 3], [0.9, 0.91 + 0.001 * place, 0.95], label=f"family{place}")
    axes.plot([1, 2, 3], [0.1, 0.1, 0.1], label="mae")
    spare_outliers(axes)
    low, high = axes.get_ylim()
    assert 0.85 < low < 0.9
    assert 0.95 < high < 1
    assert [text.get_text() for text in axes.texts] == ["outside: mae"]


def test_a_panel_without_outliers_or_without_lines_keeps_its_axis() -> None:
    empty, (axes,) = panels(1)[1][0], panels(1)[1]
    axes.plot([1, 2, 3, 4], [0.1, 0.4, 0.7, 0.9])
    for each in (empty, axes):
        before = each.get_ylim()
        spare_outliers(each)
        assert each.get_ylim() == pytest.approx(before, abs=0.02)
        assert not each.texts


def test_a_mark_far_from_the_others_becomes_an_arrow_at_the_end_of_either_axis() -> None:
    for along, arrow in (("x", "$\\leftarrow$"), ("y", "$\\downarrow$")):
        (axes,) = panels(1)[1]
        for place in range(6):
            score = 0.1 if place == 5 else 0.9 + 0.01 * place
            axes.plot(*((score, place) if along == "x" else (place, score)), "o", color=f"C{place}")
        assert spare_outliers(axes, along)
        low, high = axes.get_xlim() if along == "x" else axes.get_ylim()
        assert 0.88 < low < 0.9
        assert 0.94 < high < 0.96
        (drawn,) = axes.lines[6:]
        assert (drawn.get_marker(), drawn.get_color()) == (arrow, "C5")
        assert [float(values[0]) for values in drawn.get_data()] == ([low, 5] if along == "x" else [5, low])


def test_near_outliers_and_those_of_few_values_stay_in_the_picture() -> None:
    for scores in ([0.90, 0.91, 0.92, 0.93, 0.94, 0.885], [0.9, 0.91, 0.92, 0.1]):
        (axes,) = panels(1)[1]
        axes.plot(range(len(scores)), scores, "o")
        assert not spare_outliers(axes)
        assert axes.get_ylim()[0] < min(scores)
        assert len(axes.lines) == 1


def test_scores_that_fall_with_the_noise_rate_are_no_outliers_and_a_family_far_below_at_its_rate_is() -> None:
    (axes,) = panels(1)[1]
    usual = {0.0: [0.99] * 3 + [0.98] * 3, 0.4: [0.98] * 3 + [0.97] * 3, 0.8: [0.7] * 3 + [0.68] * 3}
    for rate, scores in usual.items():
        axes.plot([rate] * 6, scores, "o")
    assert not spare_outliers(axes, groups=usual.values())
    axes.plot([0.0], [0.1], "o")
    assert spare_outliers(axes, groups=[[*usual[0.0], 0.1], usual[0.4], usual[0.8]])
    assert 0.6 < axes.get_ylim()[0] < 0.68


def test_a_family_that_collapsed_does_not_set_the_axes_of_scores_noise_and_hyperparameters(
    reporter: Reporter,
) -> None:
    def collapsed(todo: Todo, epoch: int) -> float:
        low = todo.config.trial(0)["loss"]["family"] == "mse"
        return 0.1 + 0.001 * todo.repeat if low else 0.9 + 0.001 * (todo.repeat + todo.config.number)

    reporter.worker.accuracy = collapsed
    lr = {"training.optimizer.lr": {"grid": [0.05, 0.1]}}
    names = ["ce", "mse", "tce", "gce", "focal", "mae", "sce"]
    reporter.launch(families=[{"family": name, "space": lr} for name in names], search__repeats=2)
    pictures = {picture.name: picture for picture in reporter.document().pictures}
    low = [axes.get_xlim()[0] for axes in pictures["scores"].figure.axes]
    assert [text.get_text() for text in pictures["scores"].figure.axes[0].texts] == ["mean 0.1005"]
    shown = ("hyperparameters-digits-clean-mlp-hidden-8", "noise-digits-uniform-noise-mlp-hidden-8")
    low.append(pictures[shown[0]].figure.axes[0].get_ylim()[0])
    low.append(pictures[shown[1]].figure.axes[0].get_xlim()[0])
    assert min(low) > 0.8
    assert all("stands for a mark beyond" in pictures[name].caption for name in ("scores", *shown))


def test_ten_families_beside_the_baseline_have_a_hue_each() -> None:
    looks = looks_of([f"family{i}" for i in range(11)], "family0")
    assert len({look.color for look in looks.values()}) == 11


@pytest.mark.parametrize(
    ("metric", "limits"),
    [
        ("val_accuracy_noisy", (0, 1)), ("test_ece_scaled", (0, 1)), ("train_memorised", (0, 1)),
        ("val_loss_clean", (0, np.inf)), ("train_loss", (-np.inf, np.inf)), ("val_temperature", (-np.inf, np.inf)),
    ],
)  # fmt: skip
def test_a_metric_is_drawn_no_further_than_it_can_be(metric: str, limits: tuple[float, float]) -> None:
    assert limits_of(metric) == limits


def test_families_keep_their_colour_in_every_study_of_the_same_families_and_the_baseline_is_ink() -> None:
    families = [f"family{i}" for i in range(24)]
    looks = looks_of(families, "family3")
    assert looks["family3"].color == INK
    drawn = {(look.color, look.marker, str(look.dash)) for look in looks.values()}
    assert len(drawn) == len(families)
