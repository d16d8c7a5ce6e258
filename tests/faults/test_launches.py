"""Launches that get in each other's way, a clock that jumps, code that is not what it was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import Disturbed, kill, wait_until
from tests.faults.table import Row, keep
from tests.launch.conftest import Place

OWNERS, CLOCK, DRIFT = "Two owners", "Clock", "Code and versions"
ROOT = Path(__file__).resolve().parents[2]
JUMPING = """\
import os
import time

REAL, REAL_NS, FILE = time.time, time.time_ns, os.environ["CLOCK_FILE"]


def shift():
    try:
        with open(FILE) as file:
            return int(file.read() or 0)
    except FileNotFoundError:
        return 0


time.time = lambda: REAL() + shift()
time.time_ns = lambda: REAL_NS() + 1_000_000_000 * shift()
"""
pytestmark = pytest.mark.timeout(900)
slow = pytest.mark.slow


def test_of_two_launches_at_once_the_second_is_refused_by_name_of_the_first(place: Place) -> None:
    running = place.start("launch", "tiny.yaml")
    lock = place.home / "tiny" / "writer.lock"
    wait_until(lambda: lock.exists() and lock.read_text())
    refused = place.run("launch", "tiny.yaml", expect=2)
    assert f"'study launch', process {running.pid} on" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=120)
    assert running.returncode == 130
    keep(Row(OWNERS, "a second launch of a running study", "it is refused in a line that names the first", 0, 0))


@slow
@pytest.mark.parametrize("reused", [False, True], ids=["nobody has", "another program has"])
def test_a_lock_whose_owner_died_holds_nobody_back(reused: bool, disturbed: Disturbed) -> None:
    lock = disturbed.place.home / "tiny" / "writer.lock"
    running = disturbed.launch_until(lambda: disturbed.ended() >= 1 and disturbed.under_way())
    kill(running)
    disturbed.strike()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        if reused:
            lock.write_text(json.dumps(json.loads(lock.read_text()) | {"pid": stranger.pid}))
        else:
            assert json.loads(lock.read_text())["pid"] == running.pid
        assert disturbed.place.json("status", "tiny")["running"] is None
        disturbed.launch_to_the_end()
    finally:
        stranger.communicate()
    disturbed.assert_like_calm()
    whose = "another program has now" if reused else "no process has any more"
    disturbed.keep(OWNERS, f"a lock left behind, whose process number {whose}", "it holds nobody: the study goes on")


@slow
@pytest.mark.parametrize("jump_s", [3600, -3600], ids=["forwards", "backwards"])
def test_a_clock_that_jumps_changes_no_number_and_loses_nothing(jump_s: int, disturbed: Disturbed) -> None:
    """Of Python's clock in driver and workers (`time.time`); Ray's processes in C++ keep the machine's."""
    place = disturbed.place
    folder, clock = place.root / "clock", place.root / "jump"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(JUMPING)
    running = disturbed.launch_until(
        lambda: disturbed.ended() >= 2 and disturbed.under_way(), PYTHONPATH=first(folder), CLOCK_FILE=str(clock)
    )
    clock.write_text(str(jump_s))
    said, problems = running.communicate(timeout=300)
    assert running.returncode == 0, said + problems
    times = [at for (at,) in place.rows("select json_extract(metrics, '$.time') from reports")]
    assert max(times) - min(times) > 3000  # it did jump, where trials are trained
    disturbed.assert_like_calm()
    assert disturbed.again() == 0
    assert place.rows("select count(*) from trials where seconds < 0 or seconds > 600") == [(0,)]
    for command in ("status", "report"):
        place.run(command, "tiny")
    way = "forwards" if jump_s > 0 else "backwards"
    disturbed.keep(
        CLOCK, f"an hour {way}, in driver and workers", "nothing: what is timed is timed by another clock",
        recovered=False,
    )  # fmt: skip


@slow
def test_other_code_and_versions_are_told_recorded_per_trial_and_refused_where_strict(disturbed: Disturbed) -> None:
    place, changed = disturbed.place, disturbed.place.root / "changed"
    for package in ("study", "trainables", "search_spaces"):
        shutil.copytree(ROOT / package, changed / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (changed / "trainables" / "losses" / "ce.py").open("a") as file:
        file.write("\n# another line\n")
    other = changed / "optuna-99.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: optuna\nVersion: 99.0\n")

    running = disturbed.launch_until(lambda: disturbed.ended() >= 2 and disturbed.under_way())
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=200)
    assert running.returncode == 130
    before = place.rows("select trial_key, epoch from trials where state = 'completed'")
    refused = place.run("launch", "tiny.yaml", "--strict", expect=2, PYTHONPATH=first(changed))
    assert "the code that trains has changed" in refused.stderr
    assert "to 99.0 since" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    disturbed.strike()
    said = disturbed.launch_to_the_end(PYTHONPATH=first(changed))
    assert "the code that trains has changed" in said
    assert "optuna has changed from" in said
    disturbed.assert_like_calm()
    versions = "json_extract(environment, '$.packages.optuna'), json_extract(environment, '$.code')"
    made_with = {
        key: (optuna, code)
        for key, optuna, code in place.rows(f"select trial_key, {versions} from trials join specs on launch = id")
    }
    finished = {key for key, _ in before}
    ours, theirs = ({made_with[key] for key in keys} for keys in (finished, made_with.keys() - finished))
    assert (len(ours), len(theirs)) == (1, 1)
    assert {optuna for optuna, _ in theirs} == {"99.0"}
    assert not {code for _, code in ours} & {code for _, code in theirs}
    disturbed.keep(
        DRIFT, "another line in a loss and another version of a package, after a third of the trials",
        "said at launch, recorded for each trial; with `--strict` refused in a line",
    )  # fmt: skip


def first(folder: Path) -> str:
    """A PYTHONPATH on which a folder comes first."""
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
