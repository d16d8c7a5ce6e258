"""kill -9 of whatever runs a study."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.faults.conftest import Disturbed, wait_until

GROUP = "Killed processes (SIGKILL)"


@pytest.mark.slow
def test_a_killed_driver(disturbed: Disturbed) -> None:
    running = disturbed.launch()
    wait_until(lambda: disturbed.ended() >= 2)
    family = psutil.Process(running.pid).children(recursive=True)
    os.kill(running.pid, signal.SIGKILL)
    disturbed.strike()
    running.communicate()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not {"raylet", "gcs_server"} & {process.name() for process in alive}
    disturbed.place.run("launch", "tiny.yaml")
    disturbed.assert_like_calm()
    disturbed.keep(GROUP, "the driver, in the middle of training", "the launch ends; the same command goes on")
