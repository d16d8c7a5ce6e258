"""The runner of a study's trials, driven by hand as Tune drives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainables.runner import TrialRunner
from trainables.trial import plain_trial


@pytest.fixture
def config(cache: Path, tmp_path: Path) -> dict[str, Any]:
    run = {
        "store": str(tmp_path / "store"), "cache": str(cache), "import_from": [], "stop_file": str(tmp_path / "stop"),
        "decisions": [2],
        "report_interval_s": 60, "checkpoint_interval_s": 60, "threads": 1, "device": "cpu", "alone": False,
    }  # fmt: skip
    return {"key": "trial", "trial": plain_trial("ce", {"epochs": 4, "model": "mlp"}), "run": run}


def worker(config: dict[str, Any], **run: Any) -> TrialRunner:
    return TrialRunner(config | {"run": config["run"] | run})


def test_a_step_ends_exactly_on_a_decision_epoch(config: dict[str, Any]) -> None:
    running = worker(config)
    results = [running.step(), running.step()]
    assert [(result["epoch"], result["state"]) for result in results] == [(2, "running"), (4, "completed")]
    assert [report["epoch"] for result in results for report in result["reports"]] == [1, 2, 3, 4]


def test_a_worker_that_died_on_a_decision_epoch_is_decided_upon_before_it_trains_on(config: dict[str, Any]) -> None:
    worker(config).step()  # its result is lost with the driver
    result = worker(config).step()
    assert (result["epoch"], result["state"]) == (2, "running")
    assert [report["epoch"] for report in result["reports"]] == [1, 2]


def test_stopping_between_two_steps_saves_what_was_reported(config: dict[str, Any]) -> None:
    running = worker(config, decisions=[], report_interval_s=0)
    assert running.step()["checkpoint"] is None
    Path(config["run"]["stop_file"]).touch()
    result = running.step()
    assert (result["state"], result["checkpoint"]["epoch"]) == ("interrupted", 1)
