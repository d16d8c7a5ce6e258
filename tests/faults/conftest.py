"""A study long enough to be disturbed, its undisturbed twin, and what must be alike in both."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.table import Row, keep
from tests.launch.conftest import TINY, TINY_TRIALS, Place

EPOCHS = 40
STUDY = f"""\
{TINY.replace("epochs: 4", f"epochs: {EPOCHS}")}\
resources: {{report_interval_s: 0.2, checkpoint_interval_s: 1}}
"""
CELLS = 4
NUMBERS = """\
select trial_key, epoch, json_extract(metrics, '$.train_loss'), json_extract(metrics, '$.val_acc_noisy') from reports
"""


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for something; AssertionError where it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@dataclass
class Disturbed:
    """A study in `place` that something is done to, `options` to its launches, and its twin to compare it with."""

    place: Place
    calm: Place
    options: tuple[str, ...] = ()
    struck_at: float = 0.0

    def launch(self, **environment: str) -> subprocess.Popen[str]:
        """Start a launch, in a process group of its own."""
        return self.place.start("launch", "tiny.yaml", *self.options, group=True, **environment)

    def ended(self) -> int:
        """How many trials have completed."""
        return int(self._one("select count(*) from trials where state = 'completed'") or 0)

    def epochs(self) -> int:
        """How many epochs the ledger has."""
        return int(self._one("select count(*) from reports") or 0)

    def strike(self) -> None:
        """The fault comes now: what the ledger has from now on is recovery."""
        self.struck_at = time.time()

    def again(self) -> int:
        """Epochs that were trained once more."""
        spans = self.place.rows("select message from events where kind = 'trained again'")
        return sum(_length(message) for (message,) in spans)

    def recovery_s(self) -> float:
        """Seconds from the fault to the next epoch."""
        times = self.place.rows("select json_extract(metrics, '$.time') from reports")
        return float(min(at for (at,) in times if at > self.struck_at)) - self.struck_at

    def duplicates(self) -> int:
        """MLflow runs and points that stand more than once. The ledger's tables cannot hold any."""
        runs = self.place.mlflow("select count(*) - count(distinct value) from tags where key = 'study.key'")
        points = self.place.mlflow(
            "select count(*) - count(distinct run_uuid || '/' || step) from metrics where key = 'train_loss'"
        )
        return int(runs[0][0]) + int(points[0][0])

    def assert_like_calm(self) -> None:
        """All trials, all epochs, the same numbers to the bit, one run each, one point for each epoch."""
        assert self.place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
        assert sorted(self.place.rows(NUMBERS)) == sorted(self.calm.rows(NUMBERS))
        keys = self.place.mlflow("select count(distinct value) from tags where key = 'study.key'")
        assert keys == [(TINY_TRIALS + CELLS,)]
        assert self.duplicates() == 0
        points = self.place.mlflow("select count(*) from metrics where key = 'train_loss'")
        assert points == [(TINY_TRIALS * EPOCHS,)]

    def keep(self, group: str, fault: str, happened: str, *, recovered: bool = True) -> None:
        """Its row of the table, once it was found to be like its twin."""
        recovery = self.recovery_s() if recovered else None
        keep(Row(group, fault, happened, self.again(), self.duplicates(), recovery))

    def _one(self, query: str) -> Any:
        try:
            return self.place.rows(query)[0][0]
        except Exception:  # the ledger is not there yet
            return None


def _length(message: str) -> int:
    numbers = [int(word) for word in message.replace(":", " ").split() if word.isdigit()]
    return numbers[-1] - numbers[0] + 1


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The study, launched to its end with nothing in its way."""
    found = Place(tmp_path_factory.mktemp("calm"))
    found.write(STUDY)
    found.run("launch", "tiny.yaml")
    return found


@pytest.fixture
def disturbed(tmp_path: Path, calm: Place) -> Disturbed:
    place = Place(tmp_path)
    place.write(STUDY)
    return Disturbed(place, calm)
