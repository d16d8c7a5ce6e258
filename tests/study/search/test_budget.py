"""An equal budget of epochs for every family of a task, never exceeded, and used up to less than one rung."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from study.errors import StudyError
from study.planning.feasibility import check_budget
from study.planning.plan import make_plan
from study.records.ledger import Ledger
from tests.study.conftest import ASHA, Driver, SpecMaker

BUDGET = {"name": "random", "configs": 200, "epochs": 60, "repeats": 1}
FAMILIES = [
    {"family": "tce", "space": {"alpha": {"uniform": [0.25, 2.0]}}},
    {"family": "mcel", "space": {"epsilon": {"uniform": [0.0, 0.4]}, "similarity": "uniform"}},
]


def spent(driver: Driver) -> Counter[str]:
    """Epochs of screening by cell."""
    with Ledger(driver.ledger_path) as ledger:
        trials = ledger.trials()
        cell_of = {key: cell for cell, key, _, _ in ledger.configs()}
    epochs: Counter[str] = Counter()
    for trial in trials.values():
        epochs[cell_of[trial.config_key]] += trial.epoch if trial.repeat == 0 else 0
    return epochs


@pytest.mark.parametrize(
    ("scheduler", "rung"),
    [("none", 9), (ASHA, 1), (ASHA | {"grace_epochs": 4}, 4), ({"name": "median", "grace_epochs": 2}, 2)],
)
@pytest.mark.parametrize("slots", [1, 2, 16])
def test_each_cell_spends_its_budget_to_within_a_rung(
    scheduler: object, rung: int, slots: int, driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(families=FAMILIES, search=BUDGET, scheduler=scheduler)
    launch = driver.launch(spec, slots=slots)
    assert len(spent(driver)) == 4
    for epochs in spent(driver).values():
        assert 60 - rung < epochs <= 60
    assert launch.conductor.finished
    assert launch.conductor.agenda.at_most == 0
    assert driver.launch(spec, slots=slots).ran == []


@pytest.mark.parametrize("slots", [1, 16])
def test_a_budget_of_little_more_than_a_training_completes_one(
    slots: int, driver: Driver, make_spec: SpecMaker
) -> None:
    driver.launch(make_spec(families=FAMILIES, search=BUDGET | {"epochs": 10}, scheduler=ASHA), slots=slots)
    assert set(spent(driver).values()) == {10}
    assert driver.states()["completed"] == 4


def test_a_trial_whose_next_rung_the_budget_does_not_reach_ends_there_and_a_larger_one_takes_it_up(
    driver: Driver, make_spec: SpecMaker
) -> None:
    driver.worker.accuracy = lambda todo, epoch: 0.1 + 0.001 * todo.config.number  # a later one is better
    changes: dict[str, Any] = {"families": FAMILIES, "training__epochs": 27, "scheduler": ASHA}
    driver.launch(make_spec(search=BUDGET | {"epochs": 100}, **changes), slots=4)
    assert set(spent(driver).values()) == {100}
    with Ledger(driver.ledger_path) as ledger:
        cut = {key: trial for key, trial in ledger.trials().items() if "search.epochs" in trial.reason}
    assert cut
    for trial in cut.values():
        assert trial.state == "stopped_early"
        assert trial.reason.startswith("what is left of its cell's 100 epochs (search.epochs) does not reach beyond")
    more = driver.launch(make_spec(search=BUDGET | {"epochs": 300}, **changes))
    assert cut.keys() <= set(more.keys)
    assert set(spent(driver).values()) == {300}


@pytest.mark.parametrize("dies_after", [1, 7, 20, 33])
@pytest.mark.parametrize("slots", [2, 16])
def test_launches_that_died_leave_no_more_and_no_less_to_the_last_one(
    dies_after: int, slots: int, driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(families=FAMILIES, search=BUDGET, scheduler=ASHA)
    driver.launch(spec, slots=slots, dies_after=dies_after)
    driver.launch(spec, slots=slots, dies_after=dies_after)
    driver.launch(spec, slots=slots)
    assert set(spent(driver).values()) == {60}
    assert driver.launch(spec).ran == []


def test_trials_that_fail_and_diverge_are_charged_for_what_they_took(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: (
        {3: "diverged", 5: "failed"}.get(todo.config.number % 7) if epoch >= 2 else None
    )
    spec = make_spec(families=FAMILIES, search=BUDGET, scheduler=ASHA | {"grace_epochs": 3})
    driver.launch(spec, slots=4)
    assert all(60 - 3 < epochs <= 60 for epochs in spent(driver).values())
    driver.worker.mishap = lambda todo, epoch: None
    driver.launch(spec, slots=4)
    assert all(60 - 3 < epochs <= 60 for epochs in spent(driver).values())


def test_a_smaller_budget_than_before_leaves_out_what_it_does_not_pay_for(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(families=FAMILIES, search=BUDGET))
    fewer = make_spec(families=FAMILIES, search=BUDGET | {"epochs": 30})
    assert driver.launch(fewer).ran == []
    with Ledger(driver.ledger_path) as ledger:
        assert len(ledger.configs()) == 4 * 3
    assert driver.launch(make_spec(families=FAMILIES, search=BUDGET)).ran == []
    assert set(spent(driver).values()) == {54}


def test_two_labels_of_one_family_share_their_trials_and_both_pay(driver: Driver, make_spec: SpecMaker) -> None:
    twins = [FAMILIES[0], FAMILIES[0] | {"label": "twin"}]
    driver.launch(make_spec(families=twins, search=BUDGET, scheduler=ASHA, noise__rate=0.0), slots=4)
    with Ledger(driver.ledger_path) as ledger:
        assert sum(trial.epoch for trial in ledger.trials().values()) == 60


@pytest.mark.parametrize("name", ["random", "quasi_random", "tpe"])
def test_a_number_of_epochs_is_enough_for_a_search(name: str, driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(families=FAMILIES, search={"name": name, "epochs": 30}, noise__rate=0.0, scheduler=ASHA)
    launch = driver.launch(spec)
    assert set(spent(driver).values()) == {30}
    assert launch.conductor.agenda.at_most == 0
    assert driver.launch(spec).ran == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"training__epochs": None, "training__iterations": 5000},
            r"3 is less than one training of tce .*search.epochs=278",
        ),
        (
            {"families": ["ce", {"family": "tce", "space": {"training.epochs": {"grid": [2, 40]}}}]},
            "tce .* up to 40 epochs",
        ),
    ],
)
def test_a_budget_below_the_longest_training_of_a_family_is_refused_with_the_number_that_would_do(
    changes: dict[str, Any], said: str, make_spec: SpecMaker, cache: Path
) -> None:
    spec = make_spec(**{"families": FAMILIES, "training__epochs": 2, "search": BUDGET | {"epochs": 3}} | changes)
    with pytest.raises(StudyError, match=said):
        check_budget(make_plan(spec, cache))


def test_stopping_early_buys_more_configs(driver: Driver, make_spec: SpecMaker) -> None:
    whole = driver.launch(make_spec(families=FAMILIES, search=BUDGET), slots=2)
    assert len(whole.ran) == 4 * 6
    halved = driver.launch(make_spec(families=FAMILIES, search=BUDGET, scheduler=ASHA, seed=4), slots=2)
    assert len(halved.ran) > 2 * len(whole.ran)


def test_a_launch_that_died_is_charged(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(families=FAMILIES, search=BUDGET, scheduler=ASHA)
    driver.launch(spec, dies_after=25)
    driver.launch(spec)
    assert set(spent(driver).values()) == {60}
    assert driver.launch(spec).ran == []


def test_repeats_are_beside_the_budget(driver: Driver, make_spec: SpecMaker) -> None:
    launch = driver.launch(make_spec(families=FAMILIES, search=BUDGET | {"repeats": 2}))
    assert len(launch.ran) == 4 * 6 * 2
    assert launch.conductor.agenda.at_most == 0


def test_a_budget_of_less_than_a_training_is_refused(make_spec: SpecMaker) -> None:
    with pytest.raises(Exception, match=r"search\.epochs = 5 is less than one training"):
        make_spec(families=FAMILIES, search=BUDGET | {"epochs": 5})
