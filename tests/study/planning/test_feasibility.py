"""A study may select by any metric that its data has; similarities and blocks are refused elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.errors import StudyError
from study.planning.feasibility import check_feasible, doubts
from study.planning.plan import Plan
from study.records.ledger import Ledger
from study.results.selection import cell_results
from study.spec import SelectSpec
from tests.study.conftest import Driver, SpecMaker, Todo
from trainables.metrics.catalogue import METRICS, SELECTABLE

LACKING = {"val_mae": "ordered classes", "val_mse": "ordered classes", "val_superclass_accuracy": "superclasses"}


@pytest.mark.parametrize("metric", SELECTABLE)
def test_a_metric_that_the_data_does_not_have_is_refused_with_those_it_has(
    metric: str, plan_of: Callable[..., Plan], cache: Path
) -> None:
    plan = plan_of(select={"metric": metric})
    if metric not in LACKING:
        check_feasible(plan, cache)
        return
    with pytest.raises(StudyError) as refused:
        check_feasible(plan, cache)
    assert str(refused.value).startswith(f"select.metric = {metric} is for ")
    assert LACKING[metric] in str(refused.value)
    assert "data set 'digits' does not have; it has val_accuracy, val_loss, val_top5" in str(refused.value)


@pytest.mark.parametrize("metric", SELECTABLE)
def test_a_selectable_metric_says_which_way_is_better(metric: str) -> None:
    select = SelectSpec(metric=metric, labels="clean")
    assert select.monitor == f"{metric}_clean"
    assert select.mode == METRICS[metric].mode
    assert (select.mode == "max") == any(word in metric for word in ("accuracy", "top5", "f1"))


def test_a_metric_that_is_none_is_refused_with_the_nearest(make_spec: SpecMaker) -> None:
    with pytest.raises(StudyError, match="unknown metric 'val_f1'; did you mean 'val_macro_f1'"):
        make_spec(select={"metric": "val_f1"})
    with pytest.raises(StudyError, match="unknown metric 'val_temperature'"):
        make_spec(select={"metric": "val_temperature"})


def test_the_config_of_least_error_is_best_where_a_study_selects_by_one(driver: Driver, make_spec: SpecMaker) -> None:
    given = driver.worker.report

    def report(todo: Todo, epoch: int) -> dict[str, Any]:
        metrics = given(todo, epoch)
        return metrics | {"val_ece_noisy": metrics["val_accuracy_noisy"]}  # the most accurate is worst calibrated

    driver.worker.report = report
    driver.launch(make_spec(select={"metric": "val_ece", "epoch": "last"}))
    with Ledger(driver.ledger_path) as ledger:
        best = {cell.facts["label"]: cell.best for cell in cell_results(ledger)}
    assert best["tce"] is not None
    assert best["tce"].number == 2
    assert best["tce"].metrics["val_ece_noisy"] == pytest.approx(best["tce"].mean)


TINY_VGG = {"name": "vgg", "depth": 8, "width": 4}


@pytest.mark.parametrize("model", [TINY_VGG, TINY_VGG | {"batch_norm": False}], ids=["batch norm", "without"])
@pytest.mark.parametrize("searched", [False, True])
def test_batches_that_leave_one_image_alone_are_refused_where_batch_norm_needs_two(
    searched: bool, model: dict[str, Any], plan_of: Callable[..., Plan], cache: Path
) -> None:
    grid = {"family": "ce", "space": {"training.batch_size": {"grid": [64, 383]}}}
    families = {"families": ["tce", grid]} if searched else {"training__batch_size": 383}
    plan = plan_of(model=model, noise__rate=0.0, **families)
    if "batch_norm" in model:
        check_feasible(plan, cache)
        return
    with pytest.raises(
        StudyError, match=r"vgg.*: batches of 383 leave one of 1150 training images alone.* such as 384$"
    ):
        check_feasible(plan, cache)


def test_batches_larger_than_the_training_set_are_allowed_and_doubted(plan_of: Callable[..., Plan]) -> None:
    grid = {"family": "ce", "space": {"training.batch_size": {"grid": [64, 1151]}}}
    assert doubts(plan_of(training__batch_size=1150)) == []
    assert doubts(plan_of(families=["tce", grid])) == [
        "digits: batches of 1151 are more than its 1150 training images, so that an epoch is a single step"
    ]
