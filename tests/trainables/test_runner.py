"""The runner of a study's trials, driven by hand as Tune drives it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from trainables.own import load_object, source_digest
from trainables.runner import TrialRunner
from trainables.trial import plain_trial


@pytest.fixture
def config(cache: Path, tmp_path: Path) -> dict[str, Any]:
    run = {
        "store": str(tmp_path / "store"), "cache": str(cache), "import_from": [], "planned_from": {},
        "stop_file": str(tmp_path / "stop"),
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


OWN = """\
from trainables.losses.ce import CrossEntropy

class Mine(CrossEntropy):
    pass
"""


def test_a_worker_loads_the_file_that_the_trial_was_planned_with_and_names_both_where_it_cannot(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "namesakes_in_two_folders:Mine"
    folders = [tmp_path / "study", tmp_path / "current"]
    for folder in folders:
        folder.mkdir()
        (folder / "namesakes_in_two_folders.py").write_text(f"{OWN}# {folder.name}\n")
    files = [str(folder / "namesakes_in_two_folders.py") for folder in folders]
    monkeypatch.setattr(sys, "path", [str(folders[1]), *sys.path])  # as in a worker of Ray's
    run = {"import_from": [str(folder) for folder in folders], "planned_from": {own: files[0]}}
    worker(config, **run)
    load_object(own, "family")
    config["trial"] |= {"loss": {"family": own}, "code": source_digest(own)}
    worker(config, **run)
    assert sys.modules["namesakes_in_two_folders"].__file__ == files[0]
    del sys.modules["namesakes_in_two_folders"]
    with pytest.raises(ValueError, match="is not the one that the trial was planned with") as refused:
        worker(config, **run | {"import_from": run["import_from"][::-1]})
    assert all(file in str(refused.value) for file in files)
