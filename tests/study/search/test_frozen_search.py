"""A kept grid, and searches that are played over it: what `benchmarks/frozen_search.py` counts, and what it claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.frozen_search import Play, play
from benchmarks.frozen_table import STUDY, TABLE, FrozenTable, freeze, read_table, write_table
from benchmarks.search_curve import GOAL_POINTS, GOAL_SHARE, Epoch, curve_of
from study.records.ledger import Ledger
from study.spec.spaces import Distribution
from study.spec.study_file import load_spec
from tests.study.conftest import FOUR, Driver, SpecMaker

SLOTS = 4


@pytest.fixture(scope="module")
def table() -> FrozenTable:
    return read_table()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plays")


def test_a_curve_changes_where_a_better_epoch_ends_and_counts_every_epoch() -> None:
    epochs = [Epoch(3, 1, 0.7, "a"), Epoch(1, 2, 0.5, "a"), Epoch(4, 1, 0.6, "a"), Epoch(2, 1, 0.5, "b")]
    curve = curve_of(epochs)
    assert (curve.cost, curve.best, curve.config) == ([2, 4, 5], [0.5, 0.7, 0.7], ["a", "a", "a"])
    assert curve.reaches(0.6) == 4
    assert curve.reaches(0.8) == float("inf")


def test_the_grid_of_a_ledger_comes_back_from_its_file(driver: Driver, make_spec: SpecMaker, tmp_path: Path) -> None:
    driver.launch(make_spec(search__repeats=2, **FOUR))
    with Ledger(driver.ledger_path) as ledger:
        kept = freeze(ledger, "val_accuracy_noisy", {"cpus": 2})
    write_table(tmp_path / "table.json", kept)
    assert read_table(tmp_path / "table.json") == kept
    assert [params["alpha"] for params in kept.configs] == [0.5, 1.0, 1.5, 2.0]
    assert (kept.epochs, kept.best) == (4 * 9, pytest.approx(0.909))


def test_a_grid_with_a_trial_that_did_not_complete_is_not_kept(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: "diverged" if todo.config.number == 1 else None
    driver.launch(make_spec(**FOUR))
    with Ledger(driver.ledger_path) as ledger, pytest.raises(SystemExit, match=r"1 trials did not complete.*diverged"):
        freeze(ledger, "val_accuracy_noisy", {})


def test_the_frozen_table_is_the_whole_grid_of_the_study_beside_it(table: FrozenTable) -> None:
    spec, _ = load_spec(STUDY)
    rates, decays = spec.training.optimizer.lr, spec.training.optimizer.weight_decay
    assert isinstance(rates, Distribution)
    assert isinstance(decays, Distribution)
    assert TABLE.stat().st_size < 200_000
    assert table.monitor == spec.select.monitor
    assert len(table.curves()) == len(table.configs) == 84
    assert {len(scores) for scores in table.scores} == {spec.training.epochs}
    assert {params["training.optimizer.lr"] for params in table.configs} == set(rates.points())
    assert {params["training.optimizer.weight_decay"] for params in table.configs} == set(decays.points())


def test_a_search_without_asha_pays_for_all_epochs_of_all_its_configs(table: FrozenTable, folder: Path) -> None:
    played = play(table, "random", 0, SLOTS, 10, folder)
    assert (played.configs, played.epochs[-1]) == (10, 10 * 27)
    assert min(played.below) >= 0


def test_asha_pays_for_some_of_them(table: FrozenTable, folder: Path) -> None:
    assert play(table, "random+asha", 0, SLOTS, 30, folder).epochs[-1] < 30 * 27 / 2


def test_the_same_seed_plays_the_same_search(table: FrozenTable, folder: Path, tmp_path: Path) -> None:
    assert play(table, "tpe+asha", 7, SLOTS, 20, folder) == play(table, "tpe+asha", 7, SLOTS, 20, tmp_path)


def test_tpe_and_asha_come_near_the_grids_best_for_a_quarter_of_its_epochs(table: FrozenTable, folder: Path) -> None:
    for seed in range(3):
        played = play(table, "tpe+asha", seed, SLOTS, 42, folder)
        assert played.epochs[-1] <= GOAL_SHARE * table.epochs
        assert played.at(GOAL_SHARE * table.epochs) <= GOAL_POINTS


def test_a_search_is_judged_by_what_it_had_found_by_then() -> None:
    played = Play("tpe", 0, 3, epochs=[1, 10, 40], below=[2.0, 1.0, 0.0])
    assert [played.at(epochs) for epochs in (1, 9.5, 10, 39, 100)] == [2.0, 1.0 + 1.0, 1.0, 1.0, 0.0]
