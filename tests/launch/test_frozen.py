"""A trial's process that is stopped, as in a suspended container: it is ended, and its trials go on in another."""

from __future__ import annotations

import os
import signal
import sqlite3

import psutil
import pytest

from tests.launch.conftest import Place
from tests.launch.test_interruptions import wait_until

LONG = """\
name: tiny
dataset: digits
model: {name: mlp, hidden: 16}
families:
  - ce
  - {family: tce, space: {alpha: {grid: [0.5, 1.5]}}}
training: {epochs: 60, optimizer: {name: sgd, lr: 0.05}}
resources: {lanes: 4, cpus: 2, timeout_s: 10, checkpoint_interval_s: 1, report_interval_s: 0.2}
tracking: {enabled: false}
"""
PATIENCE_S = 240.0


def trained(place: Place) -> int:
    """How many epochs are in the ledger."""
    try:
        return int(place.rows("select count(*) from reports")[0][0])
    except sqlite3.OperationalError:  # it is not there yet
        return 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lanes", "worker", "said"),
    [(4, "TrialHost", "no answer from its process"), (1, "ResourceTrainable", "its process stopped")],
    ids=["host of lanes", "lone trial"],
)
def test_a_stopped_process_is_ended_and_its_trials_are_completed_by_another(
    lanes: int, worker: str, said: str, place: Place
) -> None:
    place.write(LONG)
    driver = place.start("launch", "tiny.yaml", "--set", f"resources.lanes={lanes}")
    wait_until(lambda: trained(place) > 10, PATIENCE_S)
    family = psutil.Process(driver.pid).children(recursive=True)
    workers = [each for each in family if any(worker in part for part in (each.name(), *each.cmdline()))]
    assert workers
    for each in workers:
        os.kill(each.pid, signal.SIGSTOP)
    output, errors = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, output + errors
    assert dict(place.rows("select state, count(*) from trials group by 1")) == {"completed": 3}
    retried = [event["message"] for event in place.json("status", "tiny")["events"] if event["kind"] == "retried"]
    assert any("for 10 s (resources.timeout_s)" in message and said in message for message in retried), retried
