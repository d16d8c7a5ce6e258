"""Confirmation: winners chosen by validation alone, fresh and paired repeats, tested once, resumable."""

from __future__ import annotations

from typing import Any

import pytest

from study.errors import StudyError
from study.planning.feasibility import check_feasible
from study.planning.plan import make_plan
from study.records.ledger import CONFIRM, Ledger
from study.results.selection import cell_results, comparison, out_of_scope
from study.running.confirm import ConfirmPlan, make_confirm_plan
from study.spec import ConfirmSpec, StudySpec
from tests.study.conftest import ASHA, Driver, SpecMaker

RETRAIN = {"protocol": "retrain", "repeats": 3}


def winners_of(driver: Driver, spec: StudySpec, *, partial: bool = False) -> ConfirmPlan:
    with Ledger(driver.ledger_path) as ledger:
        return make_confirm_plan(make_plan(spec, driver.cache), ledger, driver.cache, partial=partial)


def test_the_best_config_of_every_cell_gets_its_fresh_repeats(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(confirm={"repeats": 3})
    driver.launch(spec)
    confirmed = driver.confirm(spec)
    assert sorted(confirmed.ran) == [
        (family, rate, 0, repeat) for family in ("ce", "tce") for rate in (0.0, 0.4) for repeat in range(3)
    ]
    with Ledger(driver.ledger_path) as ledger:
        rows = comparison(cell_results(ledger, phase=CONFIRM))
        searched = comparison(cell_results(ledger))
    assert [row["n"] for row in rows] == [3, 3, 3, 3]
    assert rows[0]["mean"] == pytest.approx(0.81)
    assert rows[0]["sd"] == pytest.approx(0.01)
    assert searched[0]["mean"] == pytest.approx(0.9 + 0.009 + 0.00005)  # the search's own numbers stay


def test_top_takes_the_next_best_configs_too(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(confirm={"repeats": 1, "top": 2}, noise__rate=0.0)
    driver.launch(spec)
    assert sorted(driver.confirm(spec).ran) == [("ce", 0.0, 0, 0), ("tce", 0.0, 0, 0), ("tce", 0.0, 1, 0)]


def test_a_cell_with_fewer_configs_than_asked_for_says_why_as_an_export_does(
    driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(confirm={"repeats": 1, "top": 3}, noise__rate=0.0)
    driver.launch(spec)
    (alone,) = (found := winners_of(driver, spec)).notes
    assert alone == "ce on digits, clean, mlp hidden=8: 1 of 3 configs confirmed; the search has no other config"
    assert found.left_out == ()
    assert [cell.num_configs for cell in found.cells] == [1, 3]


def test_where_all_cells_have_the_configs_that_were_asked_for_nothing_is_said(
    driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(confirm={"repeats": 1, "top": 1}, noise__rate=0.0)
    driver.launch(spec)
    assert winners_of(driver, spec).notes == ()


def test_what_is_published_is_the_configs_that_the_search_chose_whatever_the_test_set_says_of_the_others(
    driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(confirm={"repeats": 2, "top": 2}, noise__rate=0.0)
    driver.launch(spec)
    accuracy = {0: 0.7, 1: 0.9}  # by the config's number: the runner-up would win on the test set
    driver.worker.tested = lambda todo: {"test": {"test_accuracy": accuracy[todo.config.number]}}
    driver.confirm(spec)
    with Ledger(driver.ledger_path) as ledger:
        tce = next(cell for cell in cell_results(ledger, phase=CONFIRM) if cell.facts["family"] == "tce")
    assert [config.mean for config in tce.configs] == [0.7, 0.9]
    assert tce.best is not None
    assert (tce.best.number, tce.best.mean) == (0, 0.7)


@pytest.mark.parametrize("protocol", ["holdout", "retrain"])
def test_repeats_are_paired_across_families_and_share_no_seed_with_the_search(
    protocol: str, driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(confirm={"protocol": protocol, "repeats": 4})
    driver.launch(spec)
    plan = winners_of(driver, spec)
    trials = [[cell.configs[0].trial(repeat) for repeat in range(4)] for cell in plan.cells]
    for repeat in range(4):
        assert len({str(by_repeat[repeat]["seeds"]) for by_repeat in trials}) == 1
    searched = {
        seed
        for cell in make_plan(spec, driver.cache).cells
        for config in cell.configs
        for repeat in range(20)
        for seed in config.trial(repeat)["seeds"].values()
    }
    assert not searched & {seed for by_repeat in trials for trial in by_repeat for seed in trial["seeds"].values()}


def test_every_repeat_of_a_retraining_has_a_mask_of_its_own_the_same_for_all_families(
    driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(confirm=RETRAIN, noise__rate=0.4)
    driver.launch(spec)
    ce, tce = (
        [cell.configs[0].trial(repeat)["noise"] for repeat in range(3)] for cell in winners_of(driver, spec).cells
    )
    assert ce == tce
    assert len({noise["seed"] for noise in ce}) == 3
    assert {noise["rate"] for noise in ce} == {0.4}


def test_retraining_has_no_holdout_and_ends_at_the_median_of_the_epochs_that_the_search_chose(
    driver: Driver, make_spec: SpecMaker
) -> None:
    driver.worker.accuracy = lambda todo, epoch: 0.9 - abs(epoch - (4 if todo.repeat == 0 else 7)) / 100
    spec = make_spec(confirm=RETRAIN, search__repeats=3, training__patience=5)
    driver.launch(spec)
    trial = winners_of(driver, spec).cells[0].configs[0].trial(0)
    assert (trial["confirm"]["protocol"], trial["confirm"]["epoch"]) == ("retrain", 7)  # of 4, 7 and 7
    assert trial["split"]["holdout"] == 0
    assert trial["training"]["epochs"] == 9  # the schedule's length stays
    assert trial["training"]["patience"] is None


def test_the_last_epoch_is_retrained_to_where_the_study_selects_by_it(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.accuracy = lambda todo, epoch: 0.9 - epoch / 100
    spec = make_spec(confirm=RETRAIN, select__epoch="last")
    driver.launch(spec)
    assert winners_of(driver, spec).cells[0].configs[0].chosen_epoch == 9


@pytest.mark.parametrize("dies_after", [1, 2, 5, 11])
def test_a_confirmation_that_died_is_taken_up_and_a_finished_one_is_idle(
    dies_after: int, driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(confirm={"repeats": 3})
    driver.launch(spec)
    first = driver.confirm(spec, dies_after=dies_after)
    second = driver.confirm(spec)
    finished = [key for key in first.keys if key not in second.keys]
    assert len(set(first.keys) | set(second.keys)) == 12
    assert len(finished) + len(second.keys) == 12
    again = driver.confirm(spec)
    assert again.ran == []
    assert again.conductor.idle


def test_asha_stops_no_confirmation(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(scheduler=ASHA, confirm={"repeats": 3, "top": 3}, search__repeats=1)
    driver.launch(spec)
    confirmed = driver.confirm(spec)
    assert set(confirmed.conductor.counts) == {"completed"}


def test_missing_trials_of_the_search_are_named_unless_a_part_is_asked_for(
    driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(confirm={"repeats": 1})
    driver.launch(spec, dies_after=10)
    with pytest.raises(StudyError, match=r"\d+ trials of its search are not done; launch it again first"):
        driver.confirm(spec)
    assert driver.confirm(spec, partial=True).ran


def test_a_study_that_completed_nothing_has_nothing_to_confirm(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: "diverged"
    spec = make_spec()
    driver.launch(spec)
    with pytest.raises(StudyError, match="has no completed trial to confirm"):
        driver.confirm(spec)


def test_a_cell_without_a_winner_is_left_out_with_a_sentence(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: "diverged" if todo.cell.name == "ce" else None
    spec = make_spec(noise__rate=0.0, confirm={"repeats": 1})
    driver.launch(spec)
    assert winners_of(driver, spec).left_out == (
        "ce on digits, clean, mlp hidden=8: no config to confirm (1 diverged)",
    )
    driver.worker.mishap = lambda todo, epoch: None
    assert {ran[0] for ran in driver.confirm(spec).ran} == {"tce"}


def test_another_winner_puts_the_former_out_of_scope(driver: Driver, make_spec: SpecMaker) -> None:
    small, large = ([{"family": "tce", "space": {"alpha": {"grid": grid}}}] for grid in ([0.5], [0.5, 1.0]))
    more: dict[str, Any] = {"noise__rate": 0.0, "confirm": {"repeats": 2}}
    driver.worker.accuracy = lambda todo, epoch: todo.config.params["alpha"] / 2
    driver.launch(make_spec(families=small, **more))
    driver.confirm(make_spec(families=small, **more))
    grown = make_spec(families=large, **more)
    driver.launch(grown)
    driver.confirm(grown)
    with Ledger(driver.ledger_path) as ledger:
        (row,) = comparison(cell_results(ledger, phase=CONFIRM))
        assert out_of_scope(ledger) == 2
    assert row["params"] == {"alpha": 1.0}


def test_launching_again_leaves_the_confirmation_in_scope(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(confirm={"repeats": 2})
    driver.launch(spec)
    driver.confirm(spec)
    driver.launch(spec)
    with Ledger(driver.ledger_path) as ledger:
        assert [row["n"] for row in comparison(cell_results(ledger, phase=CONFIRM))] == [2, 2, 2, 2]


def test_retraining_that_leaves_one_image_alone_is_refused_before_it_starts(
    driver: Driver, make_spec: SpecMaker
) -> None:
    vgg = {"name": "vgg", "depth": 8, "width": 4}
    spec = make_spec(model=vgg, families=["ce"], noise__rate=0.0, training__batch_size=359, confirm=RETRAIN)
    check_feasible(make_plan(spec, driver.cache), driver.cache)
    driver.launch(spec)
    said = "batches of 359 leave one of 1437 training images alone, .* such as 360, .*; or .* --protocol holdout"
    with pytest.raises(StudyError, match=said):
        winners_of(driver, spec)
    assert winners_of(driver, spec.model_copy(update={"confirm": ConfirmSpec(protocol="holdout")})).cells
