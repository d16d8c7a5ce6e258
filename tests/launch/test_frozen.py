"""A trial's process that is stopped, as in a suspended container: it is ended, and its trials go on in another."""

from __future__ import annotations

import os
import signal
import sqlite3

import psutil
import pytest

from tests.launch.conftest import Place
from tests.launch.test_interruptions import wait_until

SLOW = """\
import time

from trainables.losses.ce import CrossEntropy


class Slow(CrossEntropy):
    \"\"\"Cross entropy that leaves time to stop its process, however fast the machine is.\"\"\"

    def per_sample(self, logits, targets, indices):
        time.sleep(0.005)
        return super().per_sample(logits, targets, indices)
"""
STUDY = """\
name: tiny
dataset: digits
model: {name: mlp, hidden: 16}
families: ["beside_it:Slow"]
training: {epochs: 30, optimizer: {name: sgd, lr: 0.05}}
resources: {cpus: 2, timeout_s: 10, checkpoint_interval_s: 0, report_interval_s: 0.2, retries: 6}
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
    place.write(STUDY)
    (place.root / "beside_it.py").write_text(SLOW)
    driver = place.start("launch", "tiny.yaml", "--set", f"resources.lanes={lanes}")
    try:
        wait_until(lambda: trained(place) > 4, PATIENCE_S)
        family = psutil.Process(driver.pid).children(recursive=True)
        workers = [each for each in family if any(worker in part for part in (each.name(), *each.cmdline()))]
        assert workers
        for each in workers:
            os.kill(each.pid, signal.SIGSTOP)
        output, errors = driver.communicate(timeout=PATIENCE_S)
    finally:
        driver.kill()
    assert driver.returncode == 0, output + errors
    assert dict(place.rows("select state, count(*) from trials group by 1")) == {"completed": 1}
    retried = [event["message"] for event in place.json("status", "tiny")["events"] if event["kind"] == "retried"]
    assert any("for 10 s (resources.timeout_s)" in message and said in message for message in retried), retried
