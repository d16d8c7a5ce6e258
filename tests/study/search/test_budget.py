"""An equal budget of epochs for every family of a task, never exceeded, and used up to less than one training."""

from __future__ import annotations

from collections import Counter

import pytest

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


@pytest.mark.parametrize("scheduler", ["none", ASHA], ids=["whole trainings", "asha"])
@pytest.mark.parametrize("slots", [1, 2, 16])
def test_each_cell_spends_its_budget_to_within_a_training(
    scheduler: object, slots: int, driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(families=FAMILIES, search=BUDGET, scheduler=scheduler)
    launch = driver.launch(spec, slots=slots)
    assert len(spent(driver)) == 4
    for epochs in spent(driver).values():
        assert 60 - 9 < epochs <= 60
    assert launch.conductor.finished
    assert launch.conductor.agenda.at_most == 0


def test_stopping_early_buys_more_configs(driver: Driver, make_spec: SpecMaker) -> None:
    whole = driver.launch(make_spec(families=FAMILIES, search=BUDGET), slots=2)
    assert len(whole.ran) == 4 * 6
    halved = driver.launch(make_spec(families=FAMILIES, search=BUDGET, scheduler=ASHA, seed=4), slots=2)
    assert len(halved.ran) > 2 * len(whole.ran)


def test_a_launch_that_died_is_charged(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(families=FAMILIES, search=BUDGET, scheduler=ASHA)
    driver.launch(spec, dies_after=25)
    driver.launch(spec)
    assert all(60 - 9 < epochs <= 60 for epochs in spent(driver).values())
    assert driver.launch(spec).ran == []


def test_repeats_are_beside_the_budget(driver: Driver, make_spec: SpecMaker) -> None:
    launch = driver.launch(make_spec(families=FAMILIES, search=BUDGET | {"repeats": 2}))
    assert len(launch.ran) == 4 * 6 * 2
    assert launch.conductor.agenda.at_most == 0


def test_a_budget_of_less_than_a_training_is_refused(make_spec: SpecMaker) -> None:
    with pytest.raises(Exception, match=r"search\.epochs = 5 is less than one training"):
        make_spec(families=FAMILIES, search=BUDGET | {"epochs": 5})
