"""A host whose process is stopped, as by a suspended container: it is ended and replaced, and its trials go on."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from tests.launch.conftest import Place

LONG = """\
name: tiny
dataset: digits
model: {name: mlp, hidden: 16}
families:
  - ce
  - {family: tce, space: {alpha: {grid: [0.5, 1.5]}}}
training: {epochs: 150, optimizer: {name: sgd, lr: 0.05}}
resources: {lanes: 4, cpus: 2, timeout_s: 10, checkpoint_interval_s: 1, report_interval_s: 0.2}
tracking: {enabled: false}
"""
PATIENCE_S = 120.0


@pytest.mark.slow
def test_a_stopped_host_is_ended_and_its_trials_are_completed_by_another(place: Place) -> None:
    place.write(LONG)
    driver = place.start("launch", "tiny.yaml")
    deadline = time.monotonic() + PATIENCE_S
    ledger = place.home / "tiny" / "ledger.db"
    while time.monotonic() < deadline:
        if ledger.is_file() and place.rows("select count(*) from reports")[0][0] > 10:
            break
        time.sleep(0.2)
    hosts = [each for each in psutil.Process(driver.pid).children(recursive=True) if "TrialHost" in each.name()]
    hosts = hosts or [
        each
        for each in psutil.Process(driver.pid).children(recursive=True)
        if any("TrialHost" in part for part in each.cmdline())
    ]
    assert hosts
    for host in hosts:
        os.kill(host.pid, signal.SIGSTOP)
    output, errors = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, output + errors
    assert dict(place.rows("select state, count(*) from trials group by 1")) == {"completed": 3}
    assert place.rows("select 1 from events where kind = 'retried' and message like '%no answer from its process%'")
