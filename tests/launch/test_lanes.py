"""Studies whose trials train in lanes: what Ray and the ledger see of them is what they see of any."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.launch.conftest import TINY_TRIALS, Place
from tests.launch.test_interruptions import ended, wait_until

LANES = ("--set", "resources.lanes=4")
LONGER = ("--set", "training.epochs=200", "--set", "resources.report_interval_s=0.2")
KILLER = """\
import os
import threading

from trainables.losses.ce import CrossEntropy


class Killer(CrossEntropy):
    \"\"\"Cross entropy that takes its process with it, once it trains in a lane.\"\"\"

    def per_sample(self, logits, targets, indices):
        if threading.current_thread().name == "lanes":
            os.kill(os.getpid(), 9)
        return super().per_sample(logits, targets, indices)
"""


def hosts(place: Place, pid: int) -> list[psutil.Process]:
    return [p for p in psutil.Process(pid).children(recursive=True) if "TrialHost" in " ".join(p.cmdline())]


def test_a_study_in_lanes_is_the_same_study(place: Place) -> None:
    place.run("launch", "tiny.yaml", *LANES)
    laned = {(key, epoch): value for key, epoch, value in _losses(place)}
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
    widths = place.rows("select distinct json_extract(metrics, '$.lanes') from reports")
    assert max(widths) > (1,)
    assert place.mlflow("select count(*) from metrics where key = 'lr'") == [(TINY_TRIALS * 4,)]
    retrained = place.json("train", "studies/tiny/best/tce-clean.yaml")
    assert retrained["agrees"]
    place.run("delete", "tiny", "--yes")
    place.run("launch", "tiny.yaml")
    lone = {(key, epoch): value for key, epoch, value in _losses(place)}
    assert lone.keys() == laned.keys()
    assert laned == pytest.approx(lone, rel=1e-3)


def _losses(place: Place) -> list[tuple[str, int, float]]:
    return place.rows("select trial_key, epoch, json_extract(metrics, '$.train_loss') from reports")


def test_asha_stops_lanes_and_others_take_their_places(place: Place) -> None:
    asha = ("scheduler.name=asha", "scheduler.grace_epochs=1", "scheduler.reduction=2", "training.epochs=8")
    space = "families.1.space.alpha={grid: [0.0001, 0.001, 0.01, 0.1, 0.5, 1.0, 1.5, 1.9]}"
    changes = [part for change in (*asha, "search.configs=8", space, "noise.rate=0.4") for part in ("--set", change)]
    place.run("launch", "tiny.yaml", *LANES, *changes)
    states = dict(place.rows("select state, count(*) from trials group by 1"))
    assert states.keys() == {"completed", "stopped_early"}
    stopped = place.rows("select distinct epoch from trials where state = 'stopped_early'")
    assert {epoch for (epoch,) in stopped} <= {1, 2, 4}
    reports = place.rows("select count(*), (select sum(epoch) from trials) from reports")
    assert reports[0][0] == reports[0][1]


def test_a_killed_host_is_replaced_and_its_trials_go_on(place: Place) -> None:
    running = place.start("launch", "tiny.yaml", *LANES, *LONGER, "--set", "resources.checkpoint_interval_s=0")

    def training() -> bool:
        try:
            return place.rows("select count(*) from trials where epoch > 10")[0][0] >= 4
        except Exception:  # the ledger is not there yet
            return False

    wait_until(training)
    os.kill(hosts(place, running.pid)[0].pid, signal.SIGKILL)
    said, problems = running.communicate(timeout=240)
    assert running.returncode == 0, said + problems
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
    assert place.rows("select count(*) from reports") == [(TINY_TRIALS * 200,)]
    assert place.rows("select count(*) from events where kind = 'retried'")[0][0] >= 1
    assert not list(place.root.rglob("lane-*"))


@pytest.mark.slow
def test_a_trial_that_kills_its_host_fails_and_takes_no_other_with_it(place: Place) -> None:
    (place.root / "beside_it.py").write_text(KILLER)
    killer = 'families=[ce, {family: tce, space: {alpha: {grid: [0.5, 1.0, 1.5]}}}, {family: "beside_it:Killer"}]'
    changes = (killer, "noise.rate=0", "search.configs=3", "resources.retries=2")
    place.run("launch", "tiny.yaml", *LANES, *[p for change in changes for p in ("--set", change)], expect=1)
    states = dict(place.rows("select state, count(*) from trials group by 1"))
    assert states == {"completed": 8, "failed": 1}


@pytest.mark.slow
def test_ctrl_c_saves_all_lanes_and_the_same_command_goes_on(place: Place) -> None:
    running = place.start("launch", "tiny.yaml", *LANES, *LONGER)
    wait_until(lambda: ended(place) >= 1)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "the same command goes on" in said
    assert place.rows("select count(*) from trials where state = 'running'") == [(0,)]
    place.run("launch", "tiny.yaml", *LANES, *LONGER)
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
    assert place.rows("select count(*) from reports") == [(TINY_TRIALS * 200,)]
