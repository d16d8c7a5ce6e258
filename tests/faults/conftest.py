"""A study long enough to be disturbed, its undisturbed twin, and what must be alike in both."""

from __future__ import annotations

import math
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.table import Row, keep
from tests.launch.conftest import TINY, TINY_TRIALS, Place, rows_of
from trainables.engine.checkpoint_files import read_manifest

EPOCHS = 100
CHECKPOINT_INTERVAL_S = 1.0
STUDY = f"""\
{TINY.replace("epochs: 4", f"epochs: {EPOCHS}")}\
resources: {{report_interval_s: 0.2, checkpoint_interval_s: {CHECKPOINT_INTERVAL_S}}}
"""
LANES = ("--set", "resources.lanes=4")
ROUNDING = 1e-3  # of a loss, where lanes train beside others than in the twin (docs/lanes.md)
NUMBERS = """\
select trial_key, epoch, json_extract(metrics, '$.train_loss'), json_extract(metrics, '$.val_accuracy_noisy')
from reports
"""
PACE = "select count(*) / (max(json_extract(metrics, '$.time')) - min(json_extract(metrics, '$.time'))) from reports"
IS_THERE = "run_uuid in (select run_uuid from runs where lifecycle_stage = 'active')"  # MLflow keeps what is deleted
OF_RAY = {"raylet", "gcs_server"}


def wait_until(condition: Callable[[], Any], seconds: float = 200) -> None:
    """Wait for something; AssertionError where it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@dataclass
class Disturbed:
    """A study in `place` that something is done to, `options` to its launches, and its twin to compare it with.

    `store` is MLflow's database, where that is not the one in the home. `unsaved` counts, before each launch, the
    epochs that the ledger has of unfinished trials and no checkpoint on the disk: what the platform has to say.
    """

    place: Place
    calm: Place
    options: tuple[str, ...] = ()
    store: Path | None = None
    struck_at: list[float] = field(default_factory=list)
    unsaved: list[int] = field(default_factory=list)
    launches: list[subprocess.Popen[str]] = field(default_factory=list)

    # -- launching ------------------------------------------------------------------------------------------------

    def launch(self, **environment: str) -> subprocess.Popen[str]:
        """Start a launch, in a process group of its own."""
        self._look_at_the_disk()
        self.launches.append(self.place.start("launch", "tiny.yaml", *self.options, group=True, **environment))
        return self.launches[-1]

    def launch_until(self, condition: Callable[[], Any], **environment: str) -> subprocess.Popen[str]:
        """Start a launch and wait for something to have come of it, while it goes on."""
        running = self.launch(**environment)
        wait_until(lambda: condition() or running.poll() is not None)
        assert running.poll() is None, "".join(running.communicate())
        return running

    def launch_to_the_end(self, expect: int = 0, **environment: str) -> str:
        """What a launch says that nothing more is done to."""
        self._look_at_the_disk()
        done = self.place.run("launch", "tiny.yaml", *self.options, expect=expect, **environment)
        return done.stdout + done.stderr

    # -- how it stands --------------------------------------------------------------------------------------------

    def ended(self) -> int:
        """How many trials have completed."""
        return int(self._one("select count(*) from trials where state = 'completed'") or 0)

    def epochs(self) -> int:
        """How many epochs the ledger has."""
        return int(self._one("select count(*) from reports") or 0)

    def under_way(self) -> int:
        """How many trials are some way into their training, and far from its end."""
        amid = f"epoch between 10 and {EPOCHS // 2}"
        return int(self._one(f"select count(*) from trials where state = 'running' and {amid}") or 0)

    def strike(self) -> None:
        """The fault comes now: what the ledger has from now on is recovery."""
        self.struck_at.append(time.time())

    def again(self) -> int:
        """Epochs that were trained once more."""
        return sum(last - first + 1 for _, first, last in self._spans())

    def lost_s(self) -> float:
        """Seconds of training in the longest span of epochs that a trial had to train once more."""
        share, lanes = (f"json_extract(metrics, '$.{name}')" for name in ("seconds", "lanes"))
        took = self.place.rows(f"select trial_key, epoch, {share} * {lanes} from reports")
        seconds = {(key, epoch): found for key, epoch, found in took}
        lost = [sum(seconds[key, epoch] for epoch in range(first, last + 1)) for key, first, last in self._spans()]
        return max(lost, default=0.0)

    def recovery_s(self) -> float:
        """Seconds from the fault to the next epoch: of the next launch, where it ended this one.

        Of a trial that was tried again and not given up, where one was. The longest where the fault came several times.
        """
        again = (
            "select trial_key from events join trials using (trial_key) where kind = 'retried' and state != 'failed'"
        )
        retried = {key for (key,) in self.place.rows(again)}
        times = sorted(at for key, _, at in self._times() if not retried or key in retried)
        launches = [at for (at,) in self.place.rows("select time from specs")]
        found = []
        for struck, until in zip(self.struck_at, [*self.struck_at[1:], math.inf], strict=True):
            since = min((at for at in launches if struck < at < until), default=struck)
            found += [at - struck for at in times if since < at < until][:1]
        return max(found)

    def duplicates(self) -> int:
        """MLflow runs and points that stand more than once. The ledger's tables cannot hold any."""
        runs = self.shown(f"select count(*) - count(distinct value) from tags where key = 'study.key' and {IS_THERE}")
        points = self.shown(
            "select count(*) - count(distinct run_uuid || '/' || step) from metrics "
            f"where key = 'train_loss' and {IS_THERE}"
        )
        return int(runs[0][0]) + int(points[0][0])

    def shown(self, query: str) -> list[tuple[Any, ...]]:
        """What MLflow's database answers."""
        return rows_of(self.store or self.place.home / "mlflow.db", query)

    def pace(self) -> float:
        """Epochs per second from the first to the last of a study that ran in one launch, as a share of its twin's."""
        (ours,), (theirs,) = (place.rows(PACE) for place in (self.place, self.calm))
        return float(ours[0] / theirs[0])

    def events(self, kind: str) -> list[str]:
        """What the events of a kind say."""
        return [message for (message,) in self.place.rows(f"select message from events where kind = '{kind}'")]

    # -- what is promised -----------------------------------------------------------------------------------------

    def assert_like_calm(self, *, within: float = 0.0, states: Mapping[str, int] | None = None) -> None:
        """The same trials, all their epochs, the same numbers, one MLflow run each, a point for each epoch.

        To the bit, or, with `within`, losses but for that share of them. `states` counts the trials by their state
        where some are not its twin's, or its twin has more. At most a checkpoint interval of a trial was trained twice.
        """
        found = dict(self.place.rows("select state, count(*) from trials group by 1"))
        assert found == (states or {"completed": TINY_TRIALS})
        keys = {key for (key,) in self.place.rows("select trial_key from trials where state = 'completed'")}
        ours, theirs = (_by_epoch(place, keys) for place in (self.place, self.calm))
        assert len(ours) == len(keys) * EPOCHS
        assert None not in {number for numbers in ours.values() for number in numbers}
        if within:
            losses = [{at: loss for at, (loss, _) in found.items()} for found in (ours, theirs)]
            assert losses[0] == pytest.approx(losses[1], rel=within)
        else:
            assert ours == theirs
        self.assert_shown_once()
        assert self.again() >= sum(self.unsaved), "events tell of less than was lost"
        assert self.lost_s() <= CHECKPOINT_INTERVAL_S + 2  # a report, an epoch and a busy machine

    def assert_shown_once(self) -> None:
        """One MLflow run for each trial and each cell, one point for each epoch."""
        ((cells, trials, epochs),) = self.place.rows(
            "select (select count(*) from cells), (select count(*) from trials), (select count(*) from reports)"
        )
        keys = self.shown(f"select count(distinct value) from tags where key = 'study.key' and {IS_THERE}")
        assert keys == [(trials + cells,)]
        assert self.shown(f"select count(*) from metrics where key = 'lr' and {IS_THERE}") == [(epochs,)]
        assert self.duplicates() == 0

    def keep(self, group: str, fault: str, happened: str, *, recovered: bool = True) -> None:
        """Its row of the table, once it was found to be like its twin."""
        recovery = self.recovery_s() if recovered else None
        keep(Row(group, fault, happened, self.again(), self.duplicates(), recovery))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _look_at_the_disk(self) -> None:
        try:
            unfinished = self.place.rows(
                "select trial_key, epoch from trials where state in ('running', 'interrupted')"
            )
        except sqlite3.OperationalError:  # nothing was launched yet
            return
        kept = {key: read_manifest(self.place.home / "tiny" / "checkpoints" / key) for key, _ in unfinished}
        saved = {key: found["generations"][0]["epoch"] if found else 0 for key, found in kept.items()}
        self.unsaved.append(sum(max(0, epoch - saved[key]) for key, epoch in unfinished))

    def _spans(self) -> list[tuple[str, int, int]]:
        """Trial, first and last epoch of what was trained once more."""
        told = self.place.rows("select trial_key, message from events where kind = 'trained again'")
        numbers = [(key, [int(number) for number in re.findall(r"\d+", message)]) for key, message in told]
        return [(key, found[0], found[-1]) for key, found in numbers]

    def _times(self) -> list[tuple[str, int, float]]:
        return self.place.rows("select trial_key, epoch, json_extract(metrics, '$.time') from reports")

    def _one(self, query: str) -> Any:
        try:
            return self.place.rows(query)[0][0]
        except Exception:  # the ledger is not there yet
            return None


def _by_epoch(place: Place, keys: set[str]) -> dict[tuple[str, int], tuple[float, float]]:
    return {(key, epoch): (loss, accuracy) for key, epoch, loss, accuracy in place.rows(NUMBERS) if key in keys}


def trains(running: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of a launch in which a trial of its own is training."""
    return family_of(running, "Trainable.train")


def hosts(running: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of a launch that train lanes."""
    return family_of(running, "TrialHost")


def family_of(running: subprocess.Popen[str], called: str = "") -> list[psutil.Process]:
    """The processes that a launch started, those whose command has `called` in it."""
    found = []
    for process in psutil.Process(running.pid).children(recursive=True):
        try:
            found += [process] if called in f"{process.name()} {' '.join(process.cmdline())}" else []
        except psutil.Error:  # it ended meanwhile
            continue
    return found


def kill(running: subprocess.Popen[str]) -> None:
    """kill -9 of a launch's driver; returns when Ray's processes are gone too."""
    family = family_of(running)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not OF_RAY & {process.name() for process in alive}


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The study, launched to its end with nothing in its way."""
    found = Place(tmp_path_factory.mktemp("calm"))
    found.write(STUDY)
    found.run("launch", "tiny.yaml")
    assert found.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
    return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with the study in it."""
    found = Place(tmp_path)
    found.write(STUDY)
    return found


@pytest.fixture
def disturbed(place: Place, calm: Place) -> Iterator[Disturbed]:
    """The study, to be launched and disturbed."""
    made = Disturbed(place, calm)
    yield made
    for launched in made.launches:
        launched.kill()  # where its test failed; nothing, where it has ended
        launched.communicate()
