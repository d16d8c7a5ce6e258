"""A paper's numbers beside one's own."""

from __future__ import annotations

import statistics
from typing import Any

from study.planning.smoke import MEANINGLESS
from tests.study.report.conftest import (
    CLEAN,
    Reporter,
    section_of,
    swapped,
    tables,
    words_of,
)


def test_paper_numbers_stand_beside_ours_in_percent_and_errors_are_converted(reporter: Reporter) -> None:
    numbers = [
        {"family": "ce", "noise_rate": 0.0, "value": 30.0, "sd": 0.5, "quoted": True},
        {"family": "ce", "noise_rate": 0.4, "value": 70.0, "metric": "accuracy"},
        {"family": "tce", "noise_rate": 0.8, "value": 9.0},
    ]
    paper = {"source": "Someone, table 1", "metric": "error", "numbers": numbers, "note": "As printed."}
    reporter.launch(paper=paper, confirm=3)
    document = reporter.document()
    table = next(table for table in document.tables if table.name == "paper")
    ours = 100 * statistics.fmean([0.7, 0.721, 0.74])
    assert [tuple(row[3:]) for row in table.rows] == [
        ("30.00 ± 0.50 q", f"{100 - ours:.2f} ± 2.00", "3", f"−{30 - (100 - ours):.2f}"),
        ("70.00", f"{ours:.2f} ± 2.00", "3", f"+{ours - 70:.2f}"),
        ("9.00", "–", "0", "–"),
    ]
    assert "not in this study" in str(table.rows[2][1])
    assert "As printed." in words_of(section_of(document, "Paper against ours"))


def test_a_family_that_came_after_the_confirmation_is_said_not_to_be_confirmed(reporter: Reporter) -> None:
    numbers = [{"family": name, "noise_rate": 0.0, "value": 70.0} for name in ("ce", "mse")]
    numbers.append({"family": "mse", "noise_rate": 0.8, "value": 20.0})
    paper = {"source": "Someone, table 1", "numbers": numbers}
    reporter.launch(families=["ce", "tce"], noise__rate=0.0, confirm=3)
    reporter.launch(families=["ce", "tce", "mse"], noise__rate=0.0, paper=paper)
    assert [(*row[:2], row[4], row[5]) for row in tables(reporter)["paper"].rows] == [
        ("ce", CLEAN, "72.03 ± 2.00", "3"),
        ("mse", f"{CLEAN} (not confirmed)", "–", "0"),
        ("mse", "noise 0.8 (not in this study as it ran)", "–", "0"),
    ]


def test_a_paper_number_of_a_rate_that_several_noises_have_is_set_beside_the_one_that_it_names(
    reporter: Reporter,
) -> None:
    rates = {"rate": [0.0, 0.2]}
    noises = [{"kind": "uniform", **rates}, {"kind": "pair", **rates}, {"kind": "symmetric", "rate": 0.3}]
    numbers: list[dict[str, Any]] = [
        {"noise_rate": 0.2},
        {"noise_rate": 0.2, "noise": "pair"},
        {"noise_rate": 0.3},
        {"noise_rate": 0.0, "noise": "pair"},
        {"noise": "uniform"},
        {"noise_rate": 0.3, "noise": "pair"},
    ]
    paper = {"source": "Someone", "numbers": [{"family": "ce", "value": 70.0, **number} for number in numbers]}
    reporter.launch(families=["ce"], noise=noises, paper=paper, search__repeats=2)
    document = reporter.document()
    (table,) = [table for table in document.tables if table.name == "paper"]
    assert [(str(row[1]).removeprefix("digits, ").removesuffix(", mlp hidden=8"), row[5]) for row in table.rows] == [
        ("noise 0.2 (of uniform 0.2 or pair 0.2?)", "0"),
        ("pair 0.2", "2"),
        ("symmetric 0.3", "2"),
        ("clean", "2"),
        ("uniform 0.2", "2"),
        ("pair 0.3 (not in this study as it ran)", "0"),
    ]
    said = words_of(section_of(document, "Paper against ours"))
    assert "beside none of our scores until 'noise' in the study file's 'paper' says which one they are of" in said


def test_a_paper_number_of_one_of_two_noises_of_a_kind_names_its_label(reporter: Reporter) -> None:
    numbers = [{"family": "ce", "noise_rate": 0.2, "noise": n, "value": 70.0} for n in ("asymmetric", "asymmetric m2")]
    paper = {"source": "Someone", "numbers": numbers}
    reporter.launch(families=["ce"], noise=[swapped("m1"), swapped("m2")], paper=paper, search__repeats=2)
    assert [row[1] for row in tables(reporter)["paper"].rows] == [
        "asymmetric 0.2 (of asymmetric m1 0.2 or asymmetric m2 0.2?)", "digits, asymmetric m2 0.2, mlp hidden=8"
    ]  # fmt: skip


def test_a_smoke_run_says_why_no_papers_number_stands_beside_its_own(reporter: Reporter) -> None:
    reporter.launch(description=f"{MEANINGLESS} All.", noise__rate=0.0, paper={"source": "Someone, table 1"})
    section = section_of(reporter.document(), "Paper against ours")
    assert words_of(section).startswith("Source: Someone, table 1. The paper's numbers are not set beside")
    assert len(section.blocks) == 1
