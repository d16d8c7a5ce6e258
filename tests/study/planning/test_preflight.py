"""What is refused before anything is started: another study of the same name, more than the machine has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from study.errors import StudyError
from study.planning import preflight
from study.planning.plan import make_plan
from study.planning.preflight import check_extends, check_resources
from tests.study.conftest import ASHA, Driver, SpecMaker


@pytest.fixture
def extend(make_spec: SpecMaker, driver: Driver) -> Any:
    """Check a changed study against SMALL, as the ledger keeps it."""

    def titles(spec: Any) -> set[str]:
        return {cell.task.title for cell in make_plan(spec, driver.cache).cells}

    def check(**changes: Any) -> None:
        before, now = make_spec(), make_spec(**changes)
        check_extends(now, json.loads(json.dumps(before.model_dump(mode="json"))), titles(now), titles(before))

    return check


ALLOWED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "description": {"description": "other words"},
    "more families": {"families": ["ce", "tce", "mcel"]},
    "fewer families": {"families": ["ce"]},
    "another noise rate": {"noise__rate": [0.0, 0.2]},
    "another network beside": {"model": [{"name": "mlp", "hidden": 8}, {"name": "small_cnn"}]},
    "repeats": {"search__repeats": 5},
    "another search": {"search": {"name": "tpe", "configs": 9}},
    "scheduler": {"scheduler": ASHA},
    "resources": {"resources": {"cpus": 2}},
    "tracking": {"tracking": {"enabled": True}},
    "the same numbers written otherwise": {"training__optimizer__lr": 5e-2, "training__batch_size": 64},
}


@pytest.mark.parametrize("change", ALLOWED)
def test_an_extension_is_allowed(change: str, extend: Any) -> None:
    extend(**ALLOWED[change])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "epochs": ({"training__epochs": 5}, "training.epochs = 9, now it is 5"),
    "learning rate": ({"training__optimizer__lr": 0.1}, "training.optimizer.lr = 0.05, now it is 0.1"),
    "searched learning rate": (
        {"training__optimizer__lr": {"grid": [0.1, 0.2]}},
        "training.optimizer.lr = 0.05, now it is {'grid': [0.1, 0.2]}",
    ),
    "schedule": ({"training__schedule": "constant"}, "training.schedule.name = cosine, now it is constant"),
    "seed": ({"seed": 4}, "seed = 3, now it is 4"),
    "selection": ({"select": {"labels": "clean"}}, "select.labels = noisy, now it is clean"),
    "all noise rates": ({"noise__rate": 0.3}, "digits, clean, mlp hidden=8; digits, uniform 0.4, mlp hidden=8"),
    "network": ({"model": {"name": "small_cnn"}}, "which this file no longer has"),
}


@pytest.mark.parametrize("change", REFUSED)
def test_another_study_of_the_same_name_is_refused_with_what_differs(change: str, extend: Any) -> None:
    changes, expected = REFUSED[change]
    with pytest.raises(StudyError) as refused:
        extend(**changes)
    said = str(refused.value)
    assert said.startswith("study 'small' was launched ")
    assert expected in said
    assert "give it another name" in said


def test_a_first_launch_that_died_before_it_had_cells_refuses_no_task(make_spec: SpecMaker) -> None:
    spec = make_spec()
    check_extends(spec, spec.model_dump(mode="json"), {"digits, clean, mlp hidden=8"}, set())


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"cpus": 4.5}, "resources.cpus = 4.5: a trial cannot have more than this machine's 4 cores"),
        ({"gpus": 2}, "resources.gpus = 2: this machine has 1 GPUs; --set resources.gpus=1"),
    ],
)
def test_more_than_the_machine_has_is_refused_with_what_it_has(
    resources: dict[str, Any], expected: str, make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "usable_cpus", lambda: 4)
    monkeypatch.setattr(preflight, "num_gpus", lambda: 1)
    check_resources(make_spec(resources={"cpus": 4, "gpus": 1}))
    with pytest.raises(StudyError) as refused:
        check_resources(make_spec(resources=resources))
    assert str(refused.value).startswith(expected)
