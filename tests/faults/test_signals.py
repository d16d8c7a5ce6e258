"""A launch that is asked to end: by Ctrl-C, by a service manager, by a terminal that goes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest

from tests.faults.conftest import LANES, OF_RAY, ROUNDING, Disturbed, family_of, wait_until
from tests.launch.conftest import STUDY, TINY_TRIALS, Place

GROUP = "Signals"
SAVED = "trials finish their epoch, save and leave; exit code 130; the same command goes on"
LEAVES_S = 20.0  # of them 4 are the main thread's to come back in
GOES_ON = "the same command goes on"
pytestmark = pytest.mark.timeout(900)
slow = pytest.mark.slow


def states(place: Place) -> set[str]:
    """Which states MLflow shows."""
    return {state for (state,) in place.mlflow("select value from tags where key = 'study.state'")}


def ends_saying_so(running: subprocess.Popen[str]) -> None:
    """It was asked to, and nothing of its own is left."""
    family = family_of(running)
    said, problems = running.communicate(timeout=200)
    assert running.returncode == 130, said + problems
    assert GOES_ON in said + problems
    assert "Traceback" not in said + problems
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not OF_RAY & {process.name() for process in alive}


@slow
def test_ctrl_c_saves_and_the_same_command_goes_on(disturbed: Disturbed) -> None:
    running = disturbed.launch_until(lambda: disturbed.ended() >= 1 and disturbed.under_way())
    running.send_signal(signal.SIGINT)
    disturbed.strike()
    ends_saying_so(running)
    assert "interrupted" in states(disturbed.place)
    assert disturbed.place.rows("select count(*) from trials where state = 'interrupted'") > [(0,)]
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    assert disturbed.again() == 0
    assert states(disturbed.place) == {"completed"}
    points = disturbed.place.mlflow("select count(*), count(distinct run_uuid) from metrics where key = 'best_epoch'")
    assert points == [(TINY_TRIALS, TINY_TRIALS)]
    disturbed.keep(GROUP, "SIGINT once", SAVED)


@slow
def test_ctrl_c_twice_ends_at_once_and_the_same_command_goes_on(disturbed: Disturbed) -> None:
    running = disturbed.launch_until(lambda: disturbed.ended() >= 1 and disturbed.under_way())
    running.send_signal(signal.SIGINT)
    time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    disturbed.strike()
    ends_saying_so(running)
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    disturbed.keep(GROUP, "SIGINT twice", "the launch ends at once; exit code 130; the same command goes on")


@slow
def test_ctrl_c_twice_ends_a_launch_whose_ray_is_stopped_and_the_same_command_goes_on(disturbed: Disturbed) -> None:
    running = disturbed.launch_until(lambda: disturbed.ended() >= 1 and disturbed.under_way())
    (gcs,) = [process for process in family_of(running) if process.name() == "gcs_server"]
    gcs.suspend()
    for _ in range(2):
        time.sleep(1)
        running.send_signal(signal.SIGINT)
    disturbed.strike()
    began = time.monotonic()
    ends_saying_so(running)
    assert time.monotonic() - began < LEAVES_S
    assert disturbed.events("abandoned")
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    disturbed.keep(
        GROUP, "SIGINT twice, the head's GCS stopped (SIGSTOP)",
        "the launch ends within seconds, and Ray's processes with it; exit code 130; the same command goes on",
    )  # fmt: skip


@slow
def test_ctrl_c_saves_all_lanes_and_the_same_command_goes_on(disturbed: Disturbed) -> None:
    disturbed = replace(disturbed, options=LANES)
    running = disturbed.launch_until(disturbed.under_way)
    running.send_signal(signal.SIGINT)
    disturbed.strike()
    ends_saying_so(running)
    assert disturbed.place.rows("select count(*) from trials where state = 'running'") == [(0,)]
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm(within=ROUNDING)
    assert disturbed.again() == 0
    disturbed.keep(GROUP, "SIGINT once, trials in lanes", f"{SAVED}; losses within 0.1 %")


@slow
def test_sigterm_to_the_driver_saves_and_the_same_command_goes_on(disturbed: Disturbed) -> None:
    running = disturbed.launch_until(lambda: disturbed.ended() >= 1 and disturbed.under_way())
    running.send_signal(signal.SIGTERM)
    disturbed.strike()
    ends_saying_so(running)
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    assert disturbed.again() == 0
    disturbed.keep(GROUP, "SIGTERM to the driver", SAVED)


@slow
def test_sigterm_to_the_whole_group_leaves_and_the_same_command_goes_on(disturbed: Disturbed) -> None:
    running = disturbed.launch_until(lambda: disturbed.ended() >= 1 and disturbed.under_way())
    os.killpg(running.pid, signal.SIGTERM)  # as a service manager does: Ray's processes get it too
    disturbed.strike()
    ends_saying_so(running)
    assert not (disturbed.place.home / "tiny" / "stop").exists()
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    disturbed.keep(
        GROUP, "SIGTERM to the whole process group, Ray's processes among it",
        "the launch ends without them; exit code 130; the same command goes on",
    )  # fmt: skip


@slow
def test_a_closed_terminal_saves_and_the_same_command_goes_on(disturbed: Disturbed) -> None:
    place = disturbed.place
    child, screen = pty.fork()
    if child == 0:
        os.chdir(place.root)
        os.execve(STUDY, [str(STUDY), "launch", "tiny.yaml"], place.environment())
    os.set_blocking(screen, False)

    def far_enough() -> bool:
        with suppress(BlockingIOError):  # who does not read holds up who writes
            os.read(screen, 65536)
        return disturbed.ended() >= 1 and bool(disturbed.under_way())

    wait_until(far_enough)
    os.close(screen)
    disturbed.strike()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert disturbed.events("abandoned") == []  # Ray outlived the terminal
    assert place.rows("select count(*) from trials where state = 'interrupted'") > [(0,)]
    assert not (place.home / "tiny" / "stop").exists()
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    assert disturbed.again() == 0
    disturbed.keep(GROUP, "a closed terminal (SIGHUP)", SAVED)


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
    assert not OF_RAY & {process.name() for process in alive}
