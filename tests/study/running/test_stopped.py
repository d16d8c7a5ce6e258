"""For how long workers have been stopped: real processes, stopped by a real signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from study.running import stopped
from study.running.stopped import LONGEST_LOOK_S, StoppedWorkers
from study.running.tuning import OwnProcesses

ENDLESS = "import time; print('on', flush=True); time.sleep(600)"


@pytest.fixture
def worker() -> Iterator[psutil.Process]:
    """A process under the name that Ray gives its workers."""
    named = subprocess.Popen(
        ["ray::ResourceTrainable.train", "-c", ENDLESS], executable=sys.executable, stdout=subprocess.PIPE, text=True
    )
    assert named.stdout is not None
    assert named.stdout.readline() == "on\n"
    yield psutil.Process(named.pid)
    named.kill()
    named.wait()
    named.stdout.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(monotonic=lambda: now.at, at=0.0)
    monkeypatch.setattr(stopped, "time", now)
    return now


def stop(worker: psutil.Process) -> None:
    os.kill(worker.pid, signal.SIGSTOP)
    while worker.status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)


def test_seconds_count_from_look_to_look_while_a_worker_is_stopped(
    worker: psutil.Process, clock: SimpleNamespace
) -> None:
    watched = StoppedWorkers()
    assert watched.look() == {}
    stop(worker)
    clock.at = 2.0
    assert watched.look() == {worker: 0.0}
    clock.at = 5.0
    assert watched.look() == {worker: 3.0}
    os.kill(worker.pid, signal.SIGCONT)
    while worker.status() == psutil.STATUS_STOPPED:
        time.sleep(0.01)
    assert watched.look() == {}


def test_a_driver_that_was_stopped_itself_does_not_count_all_of_that_time(
    worker: psutil.Process, clock: SimpleNamespace
) -> None:
    watched = StoppedWorkers()
    stop(worker)
    watched.look()
    clock.at = 3600.0
    assert watched.look() == {worker: LONGEST_LOOK_S}


def test_a_process_that_is_none_of_a_trials_is_left_alone() -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.DEVNULL) as other:
        stop(psutil.Process(other.pid))
        assert StoppedWorkers().look() == {}
        other.kill()


def test_a_lone_trials_process_that_is_stopped_for_too_long_is_ended_and_its_trial_told_why(
    worker: psutil.Process, clock: SimpleNamespace, tmp_path: Path
) -> None:
    processes = OwnProcesses(timeout_s=5)
    word = tmp_path / "key.hang"
    Path(f"{word}.{worker.pid}").write_text("watched: 0x0000000000000001\n")  # as its watchdog leaves it
    trial = SimpleNamespace(config={"run": {"hang_file": str(word)}})
    stop(worker)
    for clock.at in (1.0, 3.0, 6.0):
        processes.end_silent()
        assert worker.status() == psutil.STATUS_STOPPED
        assert processes.explain(trial) is None
    clock.at = 7.0
    processes.end_silent()
    assert psutil.wait_procs([worker], timeout=10)[0]
    assert "SIGSTOP" in str(processes.explain(trial))
    assert processes.explain(trial) is None
