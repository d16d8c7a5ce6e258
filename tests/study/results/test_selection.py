"""Which config is best, and what a table says of it."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

from study.records.ledger import Ledger
from study.records.states import COMPLETED
from study.results.numbers import format_p, format_score
from study.results.selection import CellResult, cell_results, comparison, ranked, why_fewer
from tests.study.conftest import ASHA, FOUR, Driver, SpecMaker

Scores = dict[int, list[float | str]]  # config number to its repeats: a score, or the state in which it ended


def results_of(
    path: Path, scores: Scores, *, mode: str = "max", repeats: int = 3, epoch: str = "best"
) -> list[CellResult]:
    """One cell with these configs."""
    with Ledger(path, write=True) as ledger:
        ledger.record_spec({"select": {"epoch": epoch}, "search": {"repeats": repeats}}, {})
        facts = {"label": "tce", "dataset": "digits", "model": "mlp", "noise": "clean", "noise_rate": 0.0, "mode": mode}
        ledger.record_cells([("cell", facts)])
        ledger.record_configs(("cell", f"c{number}", number, {"alpha": float(number)}) for number in scores)
        for number, ends in scores.items():
            for repeat, end in enumerate(ends):
                key = f"t{number}-{repeat}"
                ledger.record_trials([(key, f"c{number}", repeat, {})])
                score, state = (end, COMPLETED) if isinstance(end, float) else (0.99, end)
                reports = [{"epoch": 1, "m": score, "seconds": 2.0}, {"epoch": 2, "m": score / 2, "seconds": 2.0}]
                ledger.record_result(key, {"reports": reports, "epoch": 2, "best_epoch": 1, "facts": {}}, "m")
                ledger.record_ended(key, state)
        return cell_results(ledger)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def best_of(path: Path, scores: Scores, **more: Any) -> tuple[int, int] | None:
    best = results_of(path, scores, **more)[0].best
    return (best.number, best.n) if best else None


def test_the_best_config_has_the_best_mean(path: Path) -> None:
    assert best_of(path, {0: [0.9, 0.5, 0.5], 1: [0.7, 0.7, 0.7], 2: [0.6, 0.7, 0.6]}) == (1, 3)


def test_a_lucky_single_run_does_not_win_over_configs_with_more_repeats(path: Path) -> None:
    assert best_of(path, {0: [0.99], 1: [0.7, 0.7], 2: [0.7, 0.8]}) == (2, 2)


def test_less_is_better_where_the_study_says_so(path: Path) -> None:
    assert best_of(path, {0: [0.9, 0.9], 1: [0.2, 0.3], 2: [0.5, 0.5]}, mode="min") == (1, 2)


def test_the_first_of_equals_is_best(path: Path) -> None:
    assert best_of(path, {0: [0.5], 1: [0.7], 2: [0.7]}) == (1, 1)


def test_only_completed_trials_count(path: Path) -> None:
    assert best_of(path, {0: ["stopped_early"], 1: [0.6, "failed", "interrupted"], 2: ["diverged"]}) == (1, 1)


def test_a_cell_without_a_completed_trial_has_no_best(path: Path) -> None:
    (cell,) = results_of(path, {0: ["failed"], 1: ["diverged"]})
    assert cell.best is None
    assert cell.counts == {"failed": 1, "diverged": 1}
    (row,) = comparison([cell])
    assert (row["mean"], row["sd"], row["n"], row["params"], row["metrics"]) == (None, None, 0, None, {})


def test_the_spread_is_that_of_a_sample_and_none_for_one_run(path: Path) -> None:
    (cell,) = results_of(path, {0: [0.5, 0.7, 0.9], 1: [0.4]})
    assert cell.configs[0].sd == pytest.approx(0.2)
    assert cell.configs[0].sd != pytest.approx(statistics.pstdev([0.5, 0.7, 0.9]))
    assert cell.configs[0].mean == pytest.approx(0.7)
    assert (cell.configs[1].mean, cell.configs[1].sd, cell.configs[1].n) == (0.4, None, 1)


def test_the_last_epoch_counts_where_the_study_says_so(path: Path) -> None:
    assert results_of(path, {0: [0.8]})[0].configs[0].mean == 0.8


def test_the_last_epoch_is_the_last_and_not_the_best(path: Path) -> None:
    assert results_of(path, {0: [0.8]}, epoch="last")[0].configs[0].mean == 0.4


def test_the_best_configs_other_metrics_are_means_at_the_selected_epochs(path: Path) -> None:
    results_of(path, {0: [0.5, 0.5], 1: [0.8, 0.6]})
    with Ledger(path, write=True) as ledger:
        for key, ece in (("t1-0", 0.3), ("t1-1", 0.1)):
            epochs = [{"epoch": 3, "m": 0.9, "ece": ece, "val_accuracy_clean": 0.7, "time": 1e9, "seconds": 2.0}]
            epochs[0] |= {"undefined": float("nan")} | ({"now_and_then": 1.0} if key == "t1-0" else {})
            ledger.record_result(key, {"reports": epochs, "epoch": 3, "best_epoch": 3, "facts": {}}, "m")
        (cell,) = cell_results(ledger)
    (row,) = comparison([cell])
    assert row["metrics"] == {"m": 0.9, "ece": 0.2, "val_accuracy_clean": 0.7}
    assert row["val_accuracy_clean"] == 0.7


def test_repeats_beyond_the_study_files_are_left_out(path: Path) -> None:
    (cell,) = results_of(path, {0: [0.5, 0.6, 0.9, 0.9]}, repeats=2)
    assert (cell.configs[0].n, cell.counts[COMPLETED], cell.epochs, cell.seconds) == (2, 2, 4, 8.0)


def test_trials_out_of_scope_are_left_out(path: Path) -> None:
    results_of(path, {0: [0.9], 1: [0.5]})
    with Ledger(path, write=True) as ledger:
        ledger.record_cells(ledger.cells())
        ledger.record_configs([("cell", "c1", 0, {"alpha": 1.0})])
        (cell,) = cell_results(ledger)
        assert [config.key for config in cell.configs] == ["c1"]
        assert cell.counts == {"completed": 1}
        ledger.record_cells([])
        assert cell_results(ledger) == []


def test_a_ledger_whose_launch_died_at_once_has_no_results(path: Path) -> None:
    with Ledger(path, write=True) as ledger:
        assert cell_results(ledger) == []


def test_the_comparison_has_a_row_per_cell_in_the_files_order(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec())
    with Ledger(driver.ledger_path) as ledger:
        rows = comparison(cell_results(ledger))
    assert [(row["family"], row["noise"]) for row in rows] == [
        ("ce", "clean"),
        ("tce", "clean"),
        ("ce", "uniform 0.4"),
        ("tce", "uniform 0.4"),
    ]
    assert {(row["dataset"], row["model"], row["n"]) for row in rows} == {("digits", "mlp hidden=8", 2)}
    assert [row["params"] for row in rows] == [{}, {"alpha": 0.5}] * 2
    assert [row["states"] for row in rows] == [{"completed": 2}, {"completed": 6}] * 2
    assert [row["epochs"] for row in rows] == [18, 54] * 2
    assert rows[0]["mean"] == pytest.approx(0.9 + 0.009 + 0.00005)  # two repeats at epoch 9


@pytest.mark.parametrize(
    ("score", "words"),
    [
        ((0.94712, 0.01234, 3), "0.9471 ± 0.0123 (n 3)"),
        ((0.94712, None, 1), "0.9471 (n 1)"),
        ((0.5, 0.0, 2), "0.5000 ± 0.0000 (n 2)"),
        ((None, None, 0), "—"),
        ((float("nan"), None, 1), "—"),
    ],
)
def test_scores_carry_their_spread_and_n(score: tuple[float | None, float | None, int], words: str) -> None:
    assert format_score(*score) == words


def test_a_cell_with_fewer_configs_than_asked_for_says_that_a_scheduler_stopped_the_others(
    driver: Driver, make_spec: SpecMaker
) -> None:
    driver.launch(make_spec(scheduler=ASHA, **FOUR))
    with Ledger(driver.ledger_path) as ledger:
        (cell,) = cell_results(ledger)
    found = len(ranked(cell))
    assert 0 < found < 4
    assert why_fewer(cell, 4) == "a scheduler stopped the others"
    assert why_fewer(cell, found) is None


def test_a_cell_whose_other_configs_diverged_does_not_blame_the_scheduler(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: "diverged" if todo.config.number else None
    driver.launch(make_spec(**FOUR))
    with Ledger(driver.ledger_path) as ledger:
        (cell,) = cell_results(ledger)
    assert why_fewer(cell, 3) == "no other config has as many repeats"


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.051, "0.051"),
        (0.0496, "0.0496"),
        (0.05, "0.05"),
        (0.0500004, "0.0500004"),
        (0.234, "0.23"),
        (0.00963, "0.0096"),
        (3e-5, "< 0.0001"),
    ],
)
def test_a_p_value_is_never_written_on_the_other_side_of_5_percent(p: float, words: str) -> None:
    assert format_p(p) == words


def test_numbers_too_large_to_write_out_have_an_exponent() -> None:
    assert format_score(1e300, 2e299, 3) == "1.0000e+300 ± 2.0000e+299 (n 3)"
