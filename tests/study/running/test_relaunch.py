"""A study launched again, unchanged or grown: what runs, and what does not run again."""

from __future__ import annotations

from typing import Any

import pytest

from study.planning.plan import make_plan
from study.records.ledger import Ledger
from study.records.ledger_reader import TrialRecord
from study.results.selection import cell_results, out_of_scope
from study.running.conductor import HOPELESS, Conductor
from tests.study.conftest import ASHA, FOUR, TPE, Driver, SpecMaker, Todo, by_alpha, by_number

RANDOM = {"name": "random", "configs": 3, "repeats": 2}


# -- launched again ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{}, {"scheduler": ASHA}, {"search": RANDOM}, TPE, TPE | {"scheduler": ASHA}],
    ids=["plain", "asha", "random", "tpe", "tpe under asha"],
)
@pytest.mark.parametrize("slots", [1, 3])
def test_a_finished_study_launched_again_is_idle(
    changes: dict[str, Any], slots: int, driver: Driver, make_spec: SpecMaker
) -> None:
    driver.worker.accuracy = by_alpha if "search" in changes and changes["search"]["name"] == "tpe" else by_number
    assert driver.launch(make_spec(**changes), slots=slots).ran
    before = driver.states()
    again = driver.launch(make_spec(**changes), slots=slots)
    assert again.ran == []
    assert again.conductor.idle
    assert again.conductor.finished
    assert driver.states() == before


@pytest.mark.parametrize("dies_after", [1, 2, 5, 9, 15, 16])
@pytest.mark.parametrize("scheduler", [{"name": "none"}, ASHA], ids=["none", "asha"])
def test_a_launch_that_died_is_taken_up_and_ends_with_the_same_trials(
    dies_after: int, scheduler: dict[str, Any], driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(scheduler=scheduler)
    first = driver.launch(spec, dies_after=dies_after)
    with Ledger(driver.ledger_path) as ledger:
        trials = ledger.trials().values()
        running = [r.key for r in trials if r.state == "running"]
        done = {r.key for r in trials if r.state in ("completed", "stopped_early")}
    second = driver.launch(spec)
    assert not done & set(second.keys), "what was done ran again"
    assert set(running) <= set(second.keys)
    assert not {"running", "waiting", "interrupted"} & set(driver.states())
    with Ledger(driver.ledger_path) as ledger:
        assert [e["kind"] for e in ledger.events()] == (["recovered"] if running else [])
        records = ledger.trials()
        for key, record in records.items():
            assert [epoch for epoch, _ in ledger.reports(key)] == list(range(1, record.epoch + 1))
            assert record.seconds == record.epoch / 2
    if scheduler == {"name": "none"}:
        assert set(first.keys) | set(second.keys) == set(records)
        assert len(records) == 16


def test_a_dead_launch_is_told_as_an_event(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(scheduler=ASHA), slots=3, dies_after=1)
    assert driver.states()["running"] >= 2
    with Ledger(driver.ledger_path, write=True) as ledger:
        Conductor(make_plan(make_spec(scheduler=ASHA), driver.cache), ledger)
        records = [r for r in ledger.trials().values() if r.state == "interrupted"]
        assert {record.reason for record in records} == {"the launch ended without a word"}
        assert ledger.events()[-1]["message"].startswith(f"{len(records)} trials were left running")


def test_a_failed_trial_is_tried_again_by_the_next_launch_alone(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(**FOUR)
    driver.worker.mishap = lambda todo, epoch: "failed" if todo.config.number == 2 else None
    launch = driver.launch(spec, slots=1)
    assert driver.states() == {"completed": 6, "failed": 1}
    assert launch.conductor.finished
    assert launch.conductor.hopeless is None
    assert [number for _, _, number, _ in launch.ran].count(2) == 1
    driver.worker.mishap = lambda todo, epoch: None
    assert [(number, repeat) for _, _, number, repeat in driver.launch(spec).ran] == [(2, 0), (2, 1)]
    assert driver.states() == {"completed": 8}
    with Ledger(driver.ledger_path) as ledger:
        assert [event["kind"] for event in ledger.events()] == ["failed"]


def test_an_interrupted_launch_hands_out_nothing_more_and_the_next_goes_on(
    driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(**FOUR)

    def stopped_at_4(todo: Todo, epoch: int) -> str | None:
        driver.stop.raised = driver.stop.raised or epoch == 4
        return "interrupted" if driver.stop else None

    driver.worker.mishap = stopped_at_4
    launch = driver.launch(spec, slots=2)
    assert launch.conductor.interrupted
    assert len(launch.ran) == 2, "it went on after it was told to stop"
    assert launch.conductor.finished
    assert not launch.conductor.idle
    assert driver.states() == {"interrupted": 2, "waiting": 2}
    with Ledger(driver.ledger_path) as ledger:
        reasons = {r.reason for r in ledger.trials().values() if r.state == "interrupted"}
    assert reasons == {"stopped by the user after epoch 4", "stopped by the user after epoch 1"}
    driver.worker.mishap, driver.stop.raised = (lambda todo, epoch: None), False
    assert len(driver.launch(spec).ran) == 8
    assert driver.states() == {"completed": 8}
    with Ledger(driver.ledger_path) as ledger:
        assert sum(len(ledger.reports(key)) for key in ledger.trials()) == 8 * 9


def test_a_launch_whose_first_trials_all_fail_is_given_up(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: "failed"
    launch = driver.launch(make_spec(), slots=1)
    assert len(launch.ran) == HOPELESS
    assert launch.conductor.hopeless == "the first 3 trials all failed: RuntimeError: broken on purpose"
    assert launch.conductor.finished
    assert driver.states() == {"failed": HOPELESS, "waiting": 8 - HOPELESS}


def test_a_launch_with_one_success_is_not_given_up(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: None if todo.cell.name == "ce" else "failed"
    launch = driver.launch(make_spec(), slots=1)
    assert launch.conductor.hopeless is None
    assert driver.states() == {"completed": 4, "failed": 6}


EPOCHS = {"name": "random", "configs": 200, "epochs": 72}


@pytest.mark.parametrize(
    "changes",
    [TPE | {"scheduler": ASHA}, TPE | {"scheduler": ASHA, "search__epochs": 72}, {"search": EPOCHS, "scheduler": ASHA}],
    ids=["tpe", "tpe with a budget of epochs", "random with a budget of epochs"],
)
@pytest.mark.parametrize("dies_after", [3, 10])
def test_a_launch_that_is_stopped_at_its_start_leaves_all_that_ran_in_scope(
    changes: dict[str, Any], dies_after: int, driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(**changes)
    driver.launch(spec, slots=3, dies_after=dies_after)
    with Ledger(driver.ledger_path) as ledger:
        before = ledger.trials_in_scope()
        assert out_of_scope(ledger) == 0
    driver.stop.raised = True
    assert driver.launch(spec).ran == []
    with Ledger(driver.ledger_path) as ledger:
        assert out_of_scope(ledger) == 0
        assert before <= ledger.trials_in_scope()
    driver.stop.raised = False
    driver.launch(spec, slots=3)
    with Ledger(driver.ledger_path) as ledger:
        assert out_of_scope(ledger) == 0
        assert before <= ledger.trials_in_scope()
        screening = [trial.epoch for trial in ledger.trials().values() if trial.repeat == 0]
    if (budget := spec.search.epochs) is not None:
        assert budget * len(make_plan(spec, driver.cache).cells) >= sum(screening)


def test_a_smaller_search_leaves_what_it_no_longer_holds_out_of_scope_at_once(
    driver: Driver, make_spec: SpecMaker
) -> None:
    driver.launch(make_spec(**TPE))
    driver.stop.raised = True
    driver.launch(make_spec(**TPE, search__configs=11))
    with Ledger(driver.ledger_path) as ledger:
        assert len(ledger.configs()) == 11
        assert out_of_scope(ledger) == 7


# -- a study that grows -----------------------------------------------------------------------------------------------


def test_a_new_family_runs_alone(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec())
    families = ["ce", {"family": "label_smoothing", "space": {"epsilon": 0.1}}, make_spec().families[1].model_dump()]
    ran = driver.launch(make_spec(families=families)).ran
    assert sorted(ran) == [("label_smoothing", rate, 0, repeat) for rate in (0.0, 0.4) for repeat in (0, 1)]


def test_a_new_repeat_runs_alone_and_only_for_survivors(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(scheduler=ASHA, **FOUR))
    with Ledger(driver.ledger_path) as ledger:
        survivors = {r.config_key for r in ledger.trials().values() if r.state == "completed"}
    ran = driver.launch(make_spec(scheduler=ASHA, search__repeats=4, **FOUR)).ran
    assert {repeat for _, _, _, repeat in ran} == {2, 3}
    assert len(ran) == 2 * len(survivors)


def test_a_new_noise_rate_runs_alone(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec())
    ran = driver.launch(make_spec(noise__rate=[0.4, 0.2, 0.0])).ran
    assert {rate for _, rate, _, _ in ran} == {0.2}
    assert len(ran) == 8


def test_a_new_network_runs_alone(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec())
    before = driver.states()["completed"]
    driver.launch(make_spec(model=[{"name": "mlp", "hidden": 8}, {"name": "small_cnn"}]))
    assert driver.states() == {"completed": 2 * before}


def test_new_configs_run_alone(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(**FOUR))
    wider = [{"family": "tce", "space": {"alpha": {"grid": [0.25, 0.5, 1.0, 1.5, 2.0, 3.0]}}}]
    ran = driver.launch(make_spec(families=wider, noise__rate=0.0)).ran
    assert sorted((number, repeat) for _, _, number, repeat in ran) == [(0, 0), (0, 1), (5, 0), (5, 1)]


@pytest.mark.parametrize("name", ["random", "quasi_random", "tpe"])
def test_a_search_with_more_configs_runs_only_the_new(name: str, driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.accuracy = by_alpha
    for configs, expected in ((12, range(12)), (15, range(12, 15))):
        spec = make_spec(**TPE | {"search": {"name": name, "configs": configs, "repeats": 1}})
        assert sorted(number for _, _, number, _ in driver.launch(spec, slots=3).ran) == list(expected)


def test_a_family_taken_away_is_out_of_scope_and_finds_its_results_when_it_comes_back(
    driver: Driver, make_spec: SpecMaker
) -> None:
    def table() -> list[tuple[str, float]]:
        with Ledger(driver.ledger_path) as ledger:
            return [(cell.facts["label"], cell.best.mean) for cell in cell_results(ledger) if cell.best]

    driver.launch(make_spec())
    before = table()
    assert [label for label, _ in before] == ["ce", "tce", "ce", "tce"]
    assert driver.launch(make_spec(families=["ce"])).ran == []
    assert table() == [row for row in before if row[0] == "ce"]
    assert driver.states() == {"completed": 16}, "what ran stays in the ledger"
    assert driver.launch(make_spec()).ran == []
    assert table() == before


def test_fewer_repeats_run_nothing_and_leave_the_others_out_of_the_table(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(search__repeats=3, **FOUR))
    assert driver.launch(make_spec(search__repeats=2, **FOUR)).ran == []
    with Ledger(driver.ledger_path) as ledger:
        assert {config.n for config in cell_results(ledger)[0].configs} == {2}


def test_a_trial_interrupted_at_its_decision_is_decided_when_it_comes_back(
    driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(scheduler=ASHA, **FOUR)
    driver.launch(spec, slots=1)
    undisturbed = driver.states()
    *_, worst = [r.key for r in _records(driver) if r.state == "stopped_early" and r.epoch == 1]
    with Ledger(driver.ledger_path, write=True) as ledger:  # Ctrl-C came while its first epoch was trained
        ledger.record_ended(worst, "interrupted", "stopped by the user after epoch 1")
    driver.launch(spec, slots=1)
    assert driver.states() == undisturbed
    assert {r.epoch for r in _records(driver) if r.key == worst} == {1}


def _records(driver: Driver) -> list[TrialRecord]:
    with Ledger(driver.ledger_path) as ledger:
        return list(ledger.trials().values())
