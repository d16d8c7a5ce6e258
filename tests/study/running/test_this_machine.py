"""A Ray of a launch's own whose processes die, are stopped, or do not end: real processes stand for them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from study.running import site as module
from study.running.processes import is_alive
from study.running.site import STOPPED_LOOKS, Cargo, ThisMachine

LONG = "600"


@pytest.fixture
def other() -> Iterator[psutil.Process]:
    """A child of ours that was there before Ray."""
    with subprocess.Popen(["sleep", LONG]) as running:
        yield psutil.Process(running.pid)
        running.kill()


@pytest.fixture
def machine(other: psutil.Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThisMachine]:
    """Its GCS has a child of its own."""
    started: list[subprocess.Popen[bytes]] = []
    for name, program in (("gcs_server", "sh"), ("raylet", "sleep")):
        (tmp_path / name).symlink_to(str(shutil.which(program)))

    def start(**settings: Any) -> None:
        started.append(subprocess.Popen([tmp_path / "gcs_server", "-c", f"sleep {LONG}; true"]))
        started.append(subprocess.Popen([tmp_path / "raylet", LONG]))
        while not psutil.Process(started[0].pid).children():
            time.sleep(0.01)

    monkeypatch.setattr(module, "join_ray", start)
    monkeypatch.setattr(module, "keep_token_private", lambda: None)
    made = ThisMachine()
    made.connect(tmp_path, Cargo([], [], tested=False))
    yield made
    made.end()
    for process in started:
        process.wait()


def called(name: str) -> psutil.Process:
    """A child of ours by its name."""
    (found,) = [process for process in psutil.Process().children(recursive=True) if process.name() == name]
    return found


def stopped(name: str) -> psutil.Process:
    process = called(name)
    process.suspend()
    while process.status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    return process


def test_nothing_is_lost_while_all_run(machine: ThisMachine) -> None:
    assert {machine.lost() for _ in range(2 * STOPPED_LOOKS)} == {None}


def test_a_process_that_died_is_named(machine: ThisMachine) -> None:
    called("raylet").kill()
    while called("raylet").status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert machine.lost() == "Ray's raylet died"


@pytest.mark.parametrize("name", ["gcs_server", "raylet"])
def test_a_process_that_stays_stopped_is_lost_and_named(name: str, machine: ThisMachine) -> None:
    stopped(name)
    assert {machine.lost() for _ in range(STOPPED_LOOKS)} == {None}
    assert machine.lost() == f"Ray's {name} is stopped"


def test_a_process_that_is_continued_in_time_does_no_harm(machine: ThisMachine) -> None:
    for _ in range(3):
        process = stopped("gcs_server")
        assert {machine.lost() for _ in range(STOPPED_LOOKS)} == {None}
        process.resume()
        while process.status() == psutil.STATUS_STOPPED:
            time.sleep(0.01)
        assert machine.lost() is None


def test_looks_count_and_not_time_in_which_nobody_looked(machine: ThisMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped("gcs_server")
    assert machine.lost() is None
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3600)
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    assert machine.lost() is None


def test_the_end_takes_what_was_started_stopped_or_not_and_nothing_else(
    machine: ThisMachine, other: psutil.Process
) -> None:
    family = [stopped("gcs_server"), *called("gcs_server").children(), called("raylet")]
    assert len(family) == 3
    machine.end()
    assert [is_alive(process) for process in family] == [False] * 3
    assert is_alive(other)


def test_a_shutdown_that_waits_for_a_stopped_process_is_bounded_and_leaves_nothing(
    machine: ThisMachine, other: psutil.Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = stopped("raylet")

    def wait() -> None:
        process.send_signal(signal.SIGTERM)  # which no stopped process hears
        while is_alive(process):
            time.sleep(0.01)

    monkeypatch.setattr(module, "LEAVE_S", 0.3)
    monkeypatch.setattr("ray.shutdown", wait)
    family = psutil.Process().children(recursive=True)
    machine.leave(tmp_path)
    assert [each for each in family if is_alive(each)] == [other]


def test_what_ray_forgets_to_end_is_ended(
    machine: ThisMachine, other: psutil.Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GONE_S", 0.3)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    family = psutil.Process().children(recursive=True)
    machine.leave(tmp_path)
    left = psutil.wait_procs([each for each in family if each != other], timeout=5)[1]
    assert not [each for each in left if is_alive(each)]
    assert is_alive(other)
