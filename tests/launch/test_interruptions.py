"""A launch that is interrupted, killed, or loses what it stands on; and the one after it.

Those that are slow launch twice, and wait in between for trials that are made to last.
"""

from __future__ import annotations

import os
import pty
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests.launch.conftest import STUDY, TINY_TRIALS, Place

SLOWER = ("--set", "training.epochs=40", "--set", "resources.report_interval_s=0.2")


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def ended(place: Place) -> int:
    try:
        return place.rows("select count(*) from trials where state = 'completed'")[0][0]
    except Exception:  # the ledger is not there yet
        return 0


def reasons(place: Place) -> set[str]:
    return {reason for (reason,) in place.mlflow("select value from tags where key = 'study.state'")}


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_goes_on(place: Place) -> None:
    running = place.start("launch", "tiny.yaml", *SLOWER)
    wait_until(lambda: ended(place) >= 1)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "the same command goes on" in said
    assert reasons(place) >= {"interrupted"}
    interrupted = place.rows("select trial_key, epoch from trials where state = 'interrupted'")
    assert interrupted
    place.run("launch", "tiny.yaml", *SLOWER)
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
    assert place.rows("select count(*) from reports") == [(TINY_TRIALS * 40,)]
    assert reasons(place) == {"completed"}
    points = place.mlflow("select count(*), count(distinct run_uuid) from metrics where key = 'best_epoch'")
    assert points == [(TINY_TRIALS, TINY_TRIALS)]


@pytest.mark.slow
def test_a_closed_terminal_saves_and_the_same_command_goes_on(place: Place) -> None:
    child, screen = pty.fork()
    if child == 0:
        os.chdir(place.root)
        os.execve(STUDY, [str(STUDY), "launch", "tiny.yaml", *SLOWER], place.environment())
    wait_until(lambda: bool(os.read(screen, 65536)) and ended(place) >= 1)
    os.close(screen)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert place.rows("select count(*) from events where kind = 'abandoned'") == [(0,)]  # Ray outlived the terminal
    assert place.rows("select count(*) from trials where state = 'interrupted'") > [(0,)]
    assert not (place.home / "tiny" / "stop").exists()
    place.run("launch", "tiny.yaml", *SLOWER)
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]


@pytest.mark.slow
def test_sigterm_to_the_whole_group_leaves_and_the_same_command_goes_on(place: Place) -> None:
    running = place.start("launch", "tiny.yaml", *SLOWER, group=True)
    wait_until(lambda: ended(place) >= 1)
    os.killpg(running.pid, signal.SIGTERM)  # as a service manager does: Ray's processes get it too
    said, problems = running.communicate(timeout=60)
    assert running.returncode == 130, said + problems
    assert "the same command goes on" in said + problems
    assert "died" not in said + problems
    assert not (place.home / "tiny" / "stop").exists()
    place.run("launch", "tiny.yaml", *SLOWER)
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_launch_that_loses_ray_says_so_and_the_same_command_goes_on(name: str, place: Place) -> None:
    running = place.start("launch", "tiny.yaml", *SLOWER)
    wait_until(lambda: ended(place) >= 1)
    for process in psutil.Process(running.pid).children():
        if process.name() == name:
            process.kill()
    said, problems = running.communicate(timeout=60)
    assert running.returncode == 1, said + problems
    assert f"Ray's {name} died" in said
    assert any(event["kind"] == "abandoned" for event in place.json("status", "tiny")["events"])
    place.run("launch", "tiny.yaml", *SLOWER)
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
    assert place.rows("select count(*) from reports") == [(TINY_TRIALS * 40,)]


@pytest.mark.parametrize("delay_s", [0.5, 2.5])
def test_sigterm_before_there_are_trials_leaves_nothing_running(delay_s: float, place: Place) -> None:
    running = place.start("launch", "tiny.yaml")
    time.sleep(delay_s)  # while data is prepared, while Ray starts
    family = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode in (130, -signal.SIGTERM, -signal.SIGABRT)  # Ray aborts where it takes the signal itself
    assert not (place.home / "tiny" / "stop").exists()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not {"raylet", "gcs_server"} & {process.name() for process in alive}


def test_a_killed_driver_loses_nothing_and_duplicates_nothing(
    place: Place, runs_per_key: Callable[[Place], list[int]]
) -> None:
    running = place.start("launch", "tiny.yaml", *SLOWER)
    wait_until(lambda: ended(place) >= 2)
    family = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stdout.close()
    running.stderr.close()
    reports = set(place.rows("select trial_key, epoch, metrics from reports"))
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not {"raylet", "gcs_server"} & {process.name() for process in alive}
    status = place.json("status", "tiny")
    assert status["running"] is None
    place.run("launch", "tiny.yaml", *SLOWER)
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
    assert place.rows("select count(*) from reports") == [(TINY_TRIALS * 40,)]
    assert reports <= set(place.rows("select trial_key, epoch, metrics from reports"))
    assert runs_per_key(place) == [1] * (TINY_TRIALS + 4)
    points = place.mlflow("select count(*), count(distinct run_uuid || '/' || step) from metrics where key = 'lr'")
    assert points == [(TINY_TRIALS * 40, TINY_TRIALS * 40)]


@pytest.mark.slow
def test_a_killed_worker_is_retried_from_its_checkpoint(place: Place) -> None:
    changes = ["training.epochs=400", "resources.report_interval_s=0.2", "resources.checkpoint_interval_s=0"]
    longer = [part for change in [*changes, "noise.rate=0", "search.repeats=1"] for part in ("--set", change)]
    running = place.start("launch", "tiny.yaml", *longer)

    def reported() -> list[tuple[int]]:
        try:
            return place.rows("select epoch from trials where state = 'running' and epoch > 20")
        except Exception:  # the ledger is not there yet
            return []

    wait_until(lambda: bool(reported()))
    workers = [p for p in psutil.Process(running.pid).children(recursive=True) if "Trainable." in " ".join(p.cmdline())]
    assert workers
    os.kill(workers[0].pid, signal.SIGKILL)
    said, problems = running.communicate(timeout=240)
    assert running.returncode == 0, said + problems
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", 3)]
    assert place.rows("select count(*) from reports") == [(3 * 400,)]
    assert len(place.rows("select message from events where kind = 'retried'")) >= 1


def test_two_launches_at_once_are_refused_by_name(place: Place) -> None:
    running = place.start("launch", "tiny.yaml", *SLOWER)
    wait_until(lambda: (place.home / "tiny" / "writer.lock").exists())
    refused = place.run("launch", "tiny.yaml", *SLOWER, expect=2)
    assert str(running.pid) in refused.stderr
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 130
