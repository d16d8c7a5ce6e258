"""What is said of the search's budget: what families were given, whether it was equal, what it took."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from study.records.ledger import Ledger
from study.results.budget import Budget, Cost
from study.results.compare import compare
from tests.study.conftest import ASHA, Driver, SpecMaker

TASK = "digits, clean, mlp hidden=8"
PAPER = {"source": "a paper, table 1", "numbers": [{"family": "ce", "value": 90.0}]}
ALPHAS = {"family": "tce", "space": {"alpha": {"grid": [0.5, 1.0, 1.5]}}}
TWO: dict[str, Any] = {
    "families": [
        {"family": "tce", "space": {"alpha": {"uniform": [0.25, 2.0]}}},
        {"family": "gce", "space": {"q": {"uniform": [0.1, 0.9]}}},
    ]
}


@pytest.fixture
def budget(driver: Driver, make_spec: SpecMaker) -> Callable[..., Budget]:
    def of(**changes: Any) -> Budget:
        driver.launch(make_spec(**{"noise__rate": 0.0, "search__repeats": 1, **changes}))
        with Ledger(driver.ledger_path) as ledger:
            (found,) = compare([("small", ledger)]).budgets
        return found

    return of


def by_family(found: Budget) -> dict[str, Cost]:
    return {cost.family: cost for cost in found.costs}


@pytest.mark.parametrize(
    ("paper", "kind", "whose"),
    [(None, "grid", "The study's own grids"), (PAPER, "paper's grid", "The paper's grids")],
)
def test_grids_of_different_sizes_are_named_and_not_equal(
    paper: Any, kind: str, whose: str, budget: Callable[..., Budget]
) -> None:
    found = budget(families=["ce", "mse", ALPHAS], paper=paper)
    assert (found.kind, found.equal) == (kind, False)
    assert found.sentence.startswith(
        f"{whose}: families had 1 (ce, mse) and 3 (tce) configs on each task; the comparison is not at equal budget."
    )


def test_grids_of_one_size_are_equal(budget: Callable[..., Budget]) -> None:
    found = budget(families=["ce", "mse"], paper=PAPER)
    assert found.equal
    assert found.sentence.startswith("The paper's grids: each family had 1 config on each task.")


def test_the_same_number_of_configs_is_an_equal_budget_whatever_a_scheduler_saves(
    budget: Callable[..., Budget],
) -> None:
    found = budget(**TWO, search={"name": "random", "configs": 12}, scheduler=ASHA)
    assert found.equal
    assert found.sentence.startswith("Each family had 12 configs on each task.")
    assert all(cost.epochs < 12 * 9 for cost in found.costs)


@pytest.mark.parametrize(("scheduler", "rung"), [(ASHA, "1 epoch"), ("none", "9 epochs")])
def test_a_budget_of_epochs_is_said_with_what_each_took_of_it(
    scheduler: Any, rung: str, budget: Callable[..., Budget]
) -> None:
    found = budget(**TWO, search={"name": "random", "configs": 200, "epochs": 60}, scheduler=scheduler)
    assert (found.kind, found.equal) == ("epochs", True)
    took = 60 if scheduler == ASHA else 54
    assert [cost.screening_epochs for cost in found.costs] == [took, took]
    assert f"Each family had 60 epochs on each task to screen its configs, and took {took}: all but less than the " \
        f"{rung} that one more config takes at the least" in found.sentence  # fmt: skip


def test_a_family_that_has_no_further_configs_to_spend_epochs_on_is_named(budget: Callable[..., Budget]) -> None:
    found = budget(families=["ce", *TWO["families"]], search={"name": "random", "configs": 200, "epochs": 60})
    assert not found.equal
    assert "took 9 to 54; ce stayed 51 below, which no further config was begun for" in found.sentence


LONG = {"family": "gce", "space": {"q": {"uniform": [0.1, 0.9]}, "training.epochs": 50}}


@pytest.mark.parametrize(
    ("family", "configs", "took", "said"),
    [
        (
            LONG,
            200,
            [99, 50],
            "since one more config takes 9 to 50 epochs at the least; the comparison is not",
        ),
        ("gce", 200, [99, 45], "gce stayed 55 below"),
    ],
)
def test_families_whose_whole_trainings_leave_them_far_apart_are_not_equal(
    family: Any, configs: int, took: list[int], said: str, budget: Callable[..., Budget]
) -> None:
    budget_of = {"name": "random", "configs": configs, "epochs": 100 if family == "gce" else 99}
    found = budget(families=[TWO["families"][0], family], search=budget_of)
    assert [cost.screening_epochs for cost in found.costs] == took
    assert not found.equal
    assert said in found.sentence


def test_costs_count_repeats_beside_screening_and_cores_beside_seconds(
    driver: Driver, budget: Callable[..., Budget], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = driver.worker.step

    def on_two_cores(*arguments: Any, **named: Any) -> Any:
        result = step(*arguments, **named)
        return result and result | {"facts": result["facts"] | {"threads": 2}}

    monkeypatch.setattr(driver.worker, "step", on_two_cores)
    found = by_family(budget(families=["ce", ALPHAS], search__repeats=4))
    assert found["ce"] == Cost("ce", TASK, 1, 36, 9, core_seconds=36 * 0.5 * 2, gpu_seconds=0)
    assert found["tce"] == Cost("tce", TASK, 3, 108, 27, core_seconds=108 * 0.5 * 2, gpu_seconds=0)


def test_a_share_of_a_gpu_counts_as_that(driver: Driver, make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    step = driver.worker.step

    def on_a_gpu(*arguments: Any, **named: Any) -> Any:
        result = step(*arguments, **named)
        return result and result | {"facts": result["facts"] | {"device": "cuda"}}

    monkeypatch.setattr(driver.worker, "step", on_a_gpu)
    driver.launch(make_spec(families=["ce"], noise__rate=0.0, resources={"gpus": 0.25}))
    with Ledger(driver.ledger_path) as ledger:
        ((cost,),) = (each.costs for each in compare([("small", ledger)]).budgets)
    assert (cost.core_seconds, cost.gpu_seconds) == (0, 18 * 0.5 * 0.25)


@pytest.mark.parametrize(
    ("rate", "own", "said"),
    [
        (0.05, {}, "One learning rate for all; one weight decay for all."),
        ({"grid": [0.05, 0.1]}, {}, "One space of the learning rate for all; one weight decay for all."),
        (0.05, {"training.optimizer.lr": 0.05}, "One learning rate for all; one weight decay for all."),
        (0.05, {"training.optimizer.lr": 0.1}, "One learning rate for all but tce, which has one of its own;"),
        (
            {"grid": [0.05, 0.1]},
            {"training.optimizer.weight_decay": {"grid": [0.0, 1e-4]}},
            "one weight decay for all but tce, which has one of its own.",
        ),
    ],
)
def test_a_learning_rate_or_decay_of_a_familys_own_is_said(
    rate: Any, own: dict[str, Any], said: str, budget: Callable[..., Budget]
) -> None:
    families = ["ce", {"family": "tce", "space": {"alpha": 1.0, **own}}]
    assert said in budget(families=families, training__optimizer__lr=rate).sentence


def test_a_search_that_goes_on_says_so(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(families=["ce", ALPHAS], noise__rate=0.0)
    driver.launch(spec, dies_after=3)
    with Ledger(driver.ledger_path) as ledger:
        (found,) = compare([("small", ledger)]).budgets
        assert found.sentence.endswith("The search is not at its end yet.")
    driver.launch(spec)
    with Ledger(driver.ledger_path) as ledger:
        (found,) = compare([("small", ledger)]).budgets
        assert "not at its end" not in found.sentence
