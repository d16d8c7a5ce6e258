"""How far a study is, as `study list` and `study status` tell it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from study.records.ledger import Ledger
from study.records.lock import WriterLock
from study.records.paths import Home, StudyPaths
from tests.study.commands import run
from tests.study.conftest import ASHA, FOUR, Driver, SpecMaker

BUDGET: dict[str, Any] = {"search": {"name": "random", "configs": 200, "epochs": 60}, "scheduler": ASHA}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyPaths:
    """Of the study `small` in a home."""
    monkeypatch.setenv("STUDY_HOME", str(tmp_path))
    paths = Home(tmp_path).study("small")
    paths.root.mkdir()
    return paths


@pytest.fixture
def driver(paths: StudyPaths, cache: Path) -> Driver:
    return Driver(paths.ledger, cache)


def listed() -> dict[str, Any]:
    """What `study list` says of the only study."""
    (row,) = json.loads(run("list", "--json").out)
    assert isinstance(row, dict)
    return row


def status() -> dict[str, Any]:
    facts = json.loads(run("status", "small", "--json").out)
    assert isinstance(facts, dict)
    return facts


def test_interrupted_trials_are_not_done_but_still_to_go(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: "interrupted" if todo.config.number % 2 else None
    driver.launch(make_spec(**FOUR))
    assert driver.states() == {"completed": 4, "interrupted": 2}
    assert (listed()["trials"], listed()["ended"], listed()["to_go"]) == (6, 4, 2)
    assert "to go" in run("list").out


def test_failed_trials_have_ended_and_those_out_of_scope_are_not_to_go(driver: Driver, make_spec: SpecMaker) -> None:
    mishaps = {1: "failed", 2: "interrupted", 3: "interrupted"}
    driver.worker.mishap = lambda todo, epoch: mishaps.get(todo.config.number)
    driver.launch(make_spec(**FOUR, search__repeats=1))
    assert (listed()["ended"], listed()["to_go"]) == (2, 2)
    driver.stop.raised = True
    driver.launch(make_spec(**FOUR, search={"name": "grid", "configs": 3, "repeats": 1}))
    assert (listed()["trials"], listed()["ended"], listed()["to_go"]) == (4, 2, 1)


def test_status_says_how_much_of_a_budget_of_epochs_is_used(driver: Driver, make_spec: SpecMaker) -> None:
    families = ["ce", {"family": "tce", "space": {"alpha": {"uniform": [0.25, 2.0]}}}]
    driver.launch(make_spec(families=families, noise__rate=0.0, **BUDGET))
    facts = status()
    used = {each["family"]: each["epochs"] for each in facts["epochs_used"]}
    assert facts["epochs_budget"] == 60
    assert used["ce"] == 9
    assert 60 - 9 < used["tce"] <= 60
    assert f"budget used: 9 to {used['tce']} of 60 epochs per family and task" in run("status", "small").out


def test_status_says_nothing_of_a_budget_where_there_is_none(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(**FOUR))
    assert status()["epochs_budget"] is None
    assert "budget used" not in run("status", "small").out


def test_status_of_a_study_that_died_before_its_first_cell_is_told(paths: StudyPaths, make_spec: SpecMaker) -> None:
    with Ledger(paths.ledger, write=True) as ledger:
        ledger.record_spec(make_spec(**BUDGET).model_dump(mode="json"), {})
    assert status()["epochs_used"] == []
    assert run("status", "small").code == 0


def test_status_says_that_a_launch_died_and_how_to_go_on(
    driver: Driver, paths: StudyPaths, make_spec: SpecMaker
) -> None:
    driver.launch(make_spec(**FOUR), slots=2, dies_after=1)
    said = run("status", "small").out
    assert "The last launch ended without a word, 1 trial at work: the same command goes on." in said
    assert status()["deserted"] == 1
    with WriterLock(paths.lock, "study launch"):
        assert status()["deserted"] == 0
        assert "without a word" not in run("status", "small").out
    driver.launch(make_spec(**FOUR))
    assert status()["deserted"] == 0
    assert "without a word" not in run("status", "small").out.partition("recovered")[0]
