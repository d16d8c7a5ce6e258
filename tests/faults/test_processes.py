"""kill -9 of whatever runs a study, and SIGSTOP of Ray."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from dataclasses import replace

import psutil
import pytest

from study.running.processes import wait_for_all
from tests.faults.conftest import EPOCHS, LANES, ROUNDING, Disturbed, family_of, hosts, kill, trains, wait_until
from tests.launch.conftest import TINY_TRIALS

GROUP = "Killed processes (SIGKILL)"
STOPPED = "Stopped processes of Ray (SIGSTOP)"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_a_killed_process_of_one_trial_is_replaced_and_its_trial_goes_on(disturbed: Disturbed) -> None:
    running = disturbed.launch_until(disturbed.under_way)
    wait_until(lambda: trains(running))
    trains(running)[0].kill()
    disturbed.strike()
    said, problems = running.communicate(timeout=400)
    assert running.returncode == 0, said + problems
    assert disturbed.events("retried") == ["its worker process died"]
    disturbed.assert_like_calm()
    disturbed.keep(GROUP, "the process of a trial", "its trial is tried again from its checkpoint; the launch goes on")


def test_a_killed_host_of_lanes_is_replaced_and_its_trials_go_on(disturbed: Disturbed) -> None:
    disturbed = replace(disturbed, options=LANES)
    running = disturbed.launch_until(lambda: disturbed.under_way() >= 2)
    hosts(running)[0].kill()
    disturbed.strike()
    said, problems = running.communicate(timeout=400)
    assert running.returncode == 0, said + problems
    assert set(disturbed.events("retried")) == {"its worker process died"}
    disturbed.assert_like_calm(within=ROUNDING)
    assert not list(disturbed.place.root.rglob("lane-*"))
    disturbed.keep(
        GROUP, "a host of four lanes", "its trials are tried again from their checkpoints on another; the launch goes "
        "on; losses within 0.1 % (which trials train side by side moves their last digits)"
    )  # fmt: skip


def test_a_killed_driver_takes_ray_with_it_and_the_same_command_goes_on(disturbed: Disturbed) -> None:
    running = disturbed.launch_until(lambda: disturbed.ended() >= 2 and disturbed.under_way())
    kill(running)
    disturbed.strike()
    before = set(disturbed.place.rows("select trial_key, epoch, metrics from reports"))
    assert disturbed.place.json("status", "tiny")["running"] is None
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    assert before <= set(disturbed.place.rows("select trial_key, epoch, metrics from reports"))
    disturbed.keep(GROUP, "the driver, in the middle of training", "the launch ends; the same command goes on")


def test_a_driver_killed_at_ten_random_instants_leaves_nothing_that_the_next_cannot_go_on_with(
    disturbed: Disturbed,
) -> None:
    chance = random.Random(20)
    for _ in range(2):  # while data is prepared, while Ray starts
        running = disturbed.launch()
        time.sleep(chance.uniform(0.3, 6))
        assert running.poll() is None
        disturbed.strike()
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    for eighth in range(8):  # of all epochs, each launch going on while the last one's processes are still ending
        wanted = int((eighth + chance.random()) / 8 * TINY_TRIALS * EPOCHS)
        running = disturbed.launch_until(lambda wanted=wanted: disturbed.epochs() > wanted)
        disturbed.strike()
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    disturbed.keep(
        GROUP, "the driver, at ten random instants of one study", "each launch ends; the same command goes on each time"
    )  # fmt: skip


@pytest.mark.parametrize(("name", "called"), [("raylet", "the raylet"), ("gcs_server", "the head's GCS")])
def test_a_launch_that_loses_ray_says_so_and_the_same_command_goes_on(
    name: str, called: str, disturbed: Disturbed
) -> None:
    running = disturbed.launch_until(lambda: disturbed.ended() >= 1 and disturbed.under_way())
    (process,) = [process for process in family_of(running) if process.name() == name]
    process.kill()
    disturbed.strike()
    said, problems = running.communicate(timeout=200)
    assert running.returncode == 1, said + problems
    assert f"Ray's {name} died" in said
    assert any(event["kind"] == "abandoned" for event in disturbed.place.json("status", "tiny")["events"])
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    disturbed.keep(GROUP, called, f"the launch ends with the sentence *Ray's {name} died*; the same command goes on")


@pytest.mark.parametrize(
    ("name", "called"), [("raylet", "the raylet, with its workers"), ("gcs_server", "the head's GCS")]
)
def test_a_launch_whose_ray_is_stopped_says_so_and_the_same_command_goes_on(
    name: str, called: str, disturbed: Disturbed
) -> None:
    running = disturbed.launch_until(lambda: disturbed.ended() >= 1 and disturbed.under_way())
    family = family_of(running)
    for child in stop(running, name).children():  # the raylet's workers could reach the study's end without it
        child.suspend()
    disturbed.strike()
    said, problems = running.communicate(timeout=100)
    assert running.returncode == 1, said + problems
    assert f"Ray's {name} is stopped" in said
    assert any(event["kind"] == "abandoned" for event in disturbed.place.json("status", "tiny")["events"])
    assert not wait_for_all(family, 30)
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    disturbed.keep(
        STOPPED, called, f"the launch ends with the sentence *Ray's {name} is stopped*; the same command goes on"
    )  # fmt: skip


def test_a_gcs_that_is_continued_in_time_does_no_harm(disturbed: Disturbed) -> None:
    running = disturbed.launch_until(lambda: disturbed.ended() >= 1 and disturbed.under_way())
    process = stop(running, "gcs_server")
    disturbed.strike()
    time.sleep(5)
    process.resume()
    said, problems = running.communicate(timeout=200)
    assert running.returncode == 0, said + problems
    disturbed.assert_like_calm()
    disturbed.keep(STOPPED, "the head's GCS, for 5 s", "the launch goes on")


def test_a_raylet_that_is_stopped_when_all_is_trained_does_not_keep_the_outcome(disturbed: Disturbed) -> None:
    running = disturbed.launch_until(lambda: disturbed.ended() == TINY_TRIALS)
    family = family_of(running)
    stop(running, "raylet")
    disturbed.strike()
    said, problems = running.communicate(timeout=100)
    assert running.returncode == 0, said + problems
    assert "Best configurations" in said
    assert not wait_for_all(family, 30)
    disturbed.assert_like_calm()
    disturbed.keep(
        STOPPED, "the raylet, at the end", "Ray's processes are killed after a while; the launch ends with its outcome",
        recovered=False,
    )  # fmt: skip


def stop(running: subprocess.Popen[str], name: str) -> psutil.Process:
    """Stop one of the processes that Ray started for a launch."""
    (process,) = [process for process in family_of(running) if process.name() == name]
    process.suspend()
    return process
