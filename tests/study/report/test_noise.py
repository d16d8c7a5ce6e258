"""Scores against the noise rate, and what noise did to the labels."""

from __future__ import annotations

from typing import Any

import pytest

from study.report.parts.noise import area
from tests.study.conftest import Todo
from tests.study.report.conftest import (
    Reporter,
    rows_of,
    section_of,
    swapped,
    tables,
    words_of,
)


@pytest.mark.parametrize("rates", [[0.0, 0.4], [0.0, 0.2, 0.4]])
def test_an_area_needs_three_rates(reporter: Reporter, rates: list[float]) -> None:
    reporter.launch(families=["ce", "mse"], noise__rate=rates, search__repeats=2)
    section = section_of(reporter.document(), "Against the noise rate")
    given = any(getattr(block, "name", "").startswith("area-") for block in section.blocks)
    assert given == (len(rates) == 3)
    assert ("No area under these curves is given" in words_of(section)) != given


@pytest.mark.parametrize(
    ("noises", "named"),
    [
        ([swapped("m1"), swapped("m2")], ["asymmetric m1", "asymmetric m2"]),
        ([swapped("m1"), swapped("m2", rate=[0.6, 0.8])], ["asymmetric m1", "asymmetric m2"]),
        (
            [swapped("m1", label=""), swapped("m2", rate=[0.6, 0.8], label="")],
            ["asymmetric 0.2 and asymmetric 0.4", "asymmetric 0.6 and asymmetric 0.8"],
        ),
    ],
)
def test_noises_that_differ_in_more_than_their_rate_have_a_curve_each(
    reporter: Reporter, noises: list[dict[str, Any]], named: list[str]
) -> None:
    def score(todo: Todo, epoch: int) -> float:
        noise = todo.config.trial(todo.repeat)["noise"]
        return float(0.9 - noise["rate"] / 2 + 0.001 * todo.repeat + (0.3 if noise.get("mapping") == {"0": "1"} else 0))

    reporter.worker.accuracy = score
    reporter.launch(families=["ce", "mse"], noise=[{"kind": "none"}, *noises], search__repeats=2)
    section = section_of(reporter.document(), "Against the noise rate")
    areas = [block for block in section.blocks if getattr(block, "name", "").startswith("area-")]
    pictures = [block for block in section.blocks if getattr(block, "name", "").startswith("noise-")]
    assert [picture.title for picture in pictures] == [f"digits, {name} noise, mlp hidden=8" for name in named]
    assert len({picture.name for picture in pictures}) == 2
    drawn = [len(picture.figure.axes[0].get_xticks()) for picture in pictures]
    assert drawn == [3, 3], "clean, and the two rates of its own"
    first, second = (str(rows_of(area)["ce"]["validation accuracy (noisy labels)"]) for area in areas)
    assert first != second


def test_uniform_noise_is_said_to_change_fewer_labels_than_its_rate(reporter: Reporter) -> None:
    reporter.launch(families=["ce"], search__repeats=1, noise__rate=0.4)
    assert "about rate × (1 − 1/C) of the labels change" in tables(reporter)["data"].note


def test_a_noise_that_changes_every_label_it_takes_is_said_to_do_nothing_else(reporter: Reporter) -> None:
    reporter.launch(families=["ce"], search__repeats=1, noise__kind="symmetric", noise__rate=0.4)
    assert "drawn anew" not in tables(reporter)["data"].note
    assert "1/C" not in tables(reporter)["data"].note


def test_the_area_is_a_mean_score_over_the_range_of_rates() -> None:
    curve = {0.0: {0: 0.9, 1: 1.0}, 0.2: {0: 0.8, 1: 0.8}, 0.8: {0: 0.2, 1: 0.4, 2: 0.9}}
    by_hand = [(0.85 * 0.2 + 0.5 * 0.6) / 0.8, (0.9 * 0.2 + 0.6 * 0.6) / 0.8]
    assert area(curve) == pytest.approx(by_hand)
    assert area({0.4: {0: 0.9}}) == []
