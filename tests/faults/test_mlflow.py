"""MLflow away, hung, broken, emptied or without room for files: the study goes on, and `study sync` levels it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.conftest import STUDY, Disturbed, wait_until
from tests.launch.conftest import LIGHT, Place, free_port
from tests.tracking.servers import Answer, internal_error, serving, trickle

GROUP = "MLflow"
PACE = 0.7  # of the undisturbed: the rest is what two runs differ by on a machine of two cores
OUTAGE_S = 10.0
PATIENCE_S = 120.0  # from a launch's last epoch to its end, whatever MLflow does: Ray's end is in it
MANY = ("--set", "search.repeats=10")
MANY_TRIALS = 60
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass
class Server:
    """A real MLflow server, its database in `folder`."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def database(self) -> Path:
        return self.folder / "server.db"

    def start(self) -> None:
        """Start it and wait until it answers."""
        store = ("--backend-store-uri", f"sqlite:///{self.database}", "--artifacts-destination", str(self.folder))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *store, "--port", str(self.port), "--workers", "1"],
            env={**os.environ, **LIGHT}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        wait_until(self._answers)

    def signal(self, number: int) -> None:
        """To all of its processes."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """End all of its processes, hung ones too."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            self.process.wait()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
        except OSError:
            return False
        return True


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that is not started yet, and none is left of when the test ends."""
    made = Server(tmp_path / "server", free_port())
    made.folder.mkdir()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def calm_of_many(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The study with so many repeats that an outage is short beside it, launched with nothing in its way."""
    found = Place(tmp_path_factory.mktemp("many"))
    found.write(STUDY)
    found.run("launch", "tiny.yaml", *MANY)
    return found


def beside(disturbed: Disturbed, server: Server, *options: str, user: str = "") -> Disturbed:
    """A study that is shown at a server."""
    uri = f"tracking.uri=http://{user}127.0.0.1:{server.port}"
    return replace(disturbed, options=(*options, "--set", uri), store=server.database)


def said_and_ended(disturbed: Disturbed, running: subprocess.Popen[str]) -> str:
    """What a launch said that went on to its end, which came in time."""
    said, problems = running.communicate(timeout=900)
    ended = time.time()
    assert running.returncode == 0, said + problems
    assert "Traceback" not in said + problems
    assert len(problems.splitlines()) <= 1
    ((last,),) = disturbed.place.rows("select max(json_extract(metrics, '$.time')) from reports")
    assert ended - last < PATIENCE_S
    return said


def brought_over(disturbed: Disturbed, **environment: str) -> int:
    """How many trials `study sync` had to bring over; the next has none left."""
    first, second = (
        int(json.loads(disturbed.place.run("sync", "tiny", "--json", **environment).stdout)["trials"]) for _ in range(2)
    )
    assert second == 0
    return first


def pace_of(disturbed: Disturbed) -> str:
    """Throughput in words, once it is found not to have suffered."""
    pace = disturbed.pace()
    assert pace > PACE
    return f"epochs per second: {pace:.0%} of the undisturbed"


def test_a_server_away_for_ten_seconds_holds_up_nothing(
    disturbed: Disturbed, calm_of_many: Place, server: Server
) -> None:
    disturbed = replace(beside(disturbed, server, *MANY), calm=calm_of_many)
    server.start()
    running = disturbed.launch_until(lambda: disturbed.ended() >= 2 and shows_runs(disturbed))
    server.stop()
    before = disturbed.epochs()
    time.sleep(OUTAGE_S)
    assert running.poll() is None
    assert disturbed.epochs() > before
    server.start()
    said = said_and_ended(disturbed, running)
    missing = brought_over(disturbed)
    assert bool(missing) == ("study sync" in said)
    disturbed.assert_like_calm(states={"completed": MANY_TRIALS})
    level = "`study sync` brings it level" if missing else "it is level when the launch ends"
    disturbed.keep(
        GROUP, f"its server is killed, and back after {OUTAGE_S:g} s", f"training goes on ({pace_of(disturbed)}); "
        f"{level}", recovered=False,
    )  # fmt: skip


def test_a_server_away_for_the_whole_study_is_levelled_by_sync(disturbed: Disturbed, server: Server) -> None:
    disturbed = beside(disturbed, server, user="user:${PASSWORD}@")
    said = said_and_ended(disturbed, disturbed.launch(PASSWORD="secret"))
    assert "connection refused" in said
    assert "study sync tiny" in said
    assert "secret" not in said
    place, trials = disturbed.place, len(disturbed.place.rows("select 1 from trials"))
    assert "needs ${PASSWORD}" in place.run("sync", "tiny", expect=2).stderr
    assert "is it running" in place.run("sync", "tiny", expect=2, PASSWORD="secret").stderr
    server.start()
    assert brought_over(disturbed, PASSWORD="secret") == trials
    disturbed.assert_like_calm()
    disturbed.keep(
        GROUP, "its server is not there for the whole study", f"training goes on ({pace_of(disturbed)}); the launch "
        "ends with *connection refused*; `study sync` brings it level", recovered=False,
    )  # fmt: skip


def test_a_server_that_hangs_holds_up_nothing_and_makes_no_run_twice(
    disturbed: Disturbed, calm_of_many: Place, server: Server
) -> None:
    disturbed = replace(beside(disturbed, server, *MANY), calm=calm_of_many)
    server.start()
    running = disturbed.launch_until(lambda: disturbed.ended() >= 2 and shows_runs(disturbed))
    server.signal(signal.SIGSTOP)
    said = said_and_ended(disturbed, running)
    assert "no answer in time" in said or "does not answer" in said
    assert "study sync tiny" in said
    server.signal(signal.SIGCONT)
    assert brought_over(disturbed)
    disturbed.assert_like_calm(states={"completed": MANY_TRIALS})
    disturbed.keep(
        GROUP, "its server hangs (SIGSTOP) until the launch has ended, then goes on", "training goes on "
        f"({pace_of(disturbed)}); the launch ends with a line; `study sync` brings it level", recovered=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "fault", "expected"),
    [
        (internal_error, "its server answers every request with error 500", "it answers with error 500"),
        (trickle, "its server answers a byte at a time", "does not answer"),
    ],
    ids=["500", "trickle"],
)
def test_a_server_that_fails_at_everything_holds_up_nothing(
    answer: Answer, fault: str, expected: str, disturbed: Disturbed, server: Server
) -> None:
    with serving(answer) as uri:
        server.port = int(uri.rpartition(":")[2])
        disturbed = beside(disturbed, server)
        said = said_and_ended(disturbed, disturbed.launch())
    (line,) = [line for line in said.splitlines() if uri in line]
    assert expected in line
    assert "study sync tiny" in said
    server.start()
    assert brought_over(disturbed) == len(disturbed.place.rows("select 1 from trials"))
    disturbed.assert_like_calm()
    disturbed.keep(
        GROUP, fault, f"training goes on ({pace_of(disturbed)}); the launch ends with *{expected}*; `study sync` "
        "brings it level once it is mended", recovered=False,
    )  # fmt: skip


def test_a_database_that_is_deleted_while_the_study_runs_is_made_again(
    disturbed: Disturbed, calm_of_many: Place
) -> None:
    disturbed = replace(disturbed, options=MANY, calm=calm_of_many)
    database = disturbed.place.home / "mlflow.db"
    running = disturbed.launch_until(lambda: disturbed.ended() >= 2 and database.exists() and shows_runs(disturbed))
    database.unlink()
    said = said_and_ended(disturbed, running)
    missing = brought_over(disturbed)
    assert bool(missing) == ("study sync tiny" in said)
    disturbed.assert_like_calm(states={"completed": MANY_TRIALS})
    again = "the launch ends with a line; `study sync` makes it again" if missing else "it is made again"
    disturbed.keep(
        GROUP, "its database is deleted while the study runs", f"training goes on ({pace_of(disturbed)}); {again}",
        recovered=False,
    )  # fmt: skip


def test_a_database_that_is_deleted_after_the_study_is_made_again_by_sync(disturbed: Disturbed) -> None:
    disturbed.launch_to_the_end()
    (disturbed.place.home / "mlflow.db").unlink()
    assert brought_over(disturbed) == len(disturbed.place.rows("select 1 from trials"))
    disturbed.assert_like_calm()
    disturbed.keep(GROUP, "its database is deleted after the study", "`study sync` makes it again", recovered=False)


def test_a_store_that_takes_no_files_still_gets_every_number(disturbed: Disturbed) -> None:
    artifacts = disturbed.place.home / "mlflow-artifacts"
    disturbed.place.home.mkdir()
    artifacts.touch()  # a file where a folder should be: not even root may write into it
    said = said_and_ended(disturbed, disturbed.launch())
    assert "is behind" in said
    assert "study sync tiny" in said
    assert str(artifacts) in said
    assert disturbed.shown("select count(*) from metrics where key = 'lr'") == [(disturbed.epochs(),)]
    artifacts.unlink()
    brought_over(disturbed)
    disturbed.assert_like_calm()
    assert len(list(artifacts.rglob("*.png"))) == len(list((disturbed.calm.home / "mlflow-artifacts").rglob("*.png")))
    disturbed.keep(
        GROUP, "its folder for files cannot be written", f"training goes on ({pace_of(disturbed)}); every number is "
        "shown; the launch ends with a line; `study sync` brings the pictures", recovered=False,
    )  # fmt: skip


def shows_runs(disturbed: Disturbed) -> bool:
    """Whether MLflow has something of the study."""
    try:
        return disturbed.shown("select count(*) from metrics where key = 'lr'") > [(0,)]
    except sqlite3.OperationalError:  # its tables are being made
        return False
