"""How long a training is: in epochs or iterations, with patience or without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from study.errors import StudyError
from study.planning.plan import Plan
from tests.study.conftest import ASHA, SpecMaker

PlanMaker = Callable[..., Plan]

TRAIN = 1150  # digits less a fifth: 18 batches of 64, 9 of 128
BY_BATCH = [{"family": "ce", "space": {"training.batch_size": {"grid": [64, 128]}}}]


def epochs_of(plan: Plan) -> list[int]:
    return [config.trial(0)["training"]["epochs"] for cell in plan.cells for config in cell.configs]


def in_iterations(iterations: int, **more: Any) -> dict[str, Any]:
    return {"training__epochs": None, "training__iterations": iterations, **more}


@pytest.mark.parametrize(("iterations", "epochs"), [(1, 1), (18, 1), (19, 2), (180, 10)])
def test_iterations_are_whole_epochs_rounded_up(plan_of: PlanMaker, iterations: int, epochs: int) -> None:
    plan = plan_of(**in_iterations(iterations))
    assert plan.cells[0].task.num_train == TRAIN
    assert set(epochs_of(plan)) == {epochs}
    assert plan.most_epochs == epochs


def test_as_many_iterations_are_more_epochs_at_a_larger_batch(plan_of: PlanMaker) -> None:
    plan = plan_of(**in_iterations(180, families=BY_BATCH, noise__rate=0.0))
    assert epochs_of(plan) == [10, 20]
    assert plan.most_epochs == 20


def test_iterations_and_the_epochs_they_come_to_are_one_trial(plan_of: PlanMaker) -> None:
    by_iterations, by_epochs = plan_of(**in_iterations(180)), plan_of(training__epochs=10)
    keys = [
        [config.trial_key(0) for cell in plan.cells for config in cell.configs] for plan in (by_iterations, by_epochs)
    ]
    assert keys[0] == keys[1]


def test_a_family_may_search_its_epochs_where_the_study_counts_iterations(plan_of: PlanMaker) -> None:
    searched = [{"family": "ce", "space": {"training.epochs": {"grid": [3, 5]}}}]
    assert epochs_of(plan_of(**in_iterations(180, families=searched, noise__rate=0.0))) == [3, 5]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training__epochs": None}, "training.epochs is missing; add it, or training.iterations"),
        ({"training__iterations": 5}, "training.iterations stands beside training.epochs; remove one of them"),
    ],
)
def test_length_is_given_in_one_unit(make_spec: SpecMaker, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        make_spec(**changes)


def test_what_is_selected_by_is_part_of_a_trial_only_where_patience_depends_on_it(plan_of: PlanMaker) -> None:
    def key(**changes: Any) -> str:
        return plan_of(**changes).cells[0].configs[0].trial_key(0)

    assert key(select__metric="val_loss") == key()
    assert key(select__metric="val_loss", training__patience=2) != key(training__patience=2)
    assert key(training__patience=2) != key()


def test_asha_counts_its_rungs_in_the_epochs_that_iterations_come_to(plan_of: PlanMaker) -> None:
    from study.schedule import make_pruner

    plan = plan_of(**in_iterations(180, scheduler=ASHA))
    assert make_pruner(plan.spec, 3, plan.cells[0].most_epochs).decisions() == [1, 3, 9]
