"""What hangs before a launch is ended by a sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from study.cli import INTERRUPTED_DRY
from study.errors import StudyError
from study.planning.hang import ended_after
from study.planning.pilot import foresee
from study.records.paths import Home
from tests.study.commands import run
from tests.study.conftest import SMALL, SpecMaker

HANGING = """\
import time
from pathlib import Path

from trainables.losses.ce import CrossEntropy


class Hangs(CrossEntropy):
    def per_sample(self, logits, targets, indices):
        Path("hanging").touch()
        while True:
            time.sleep(60)


class HangsInTraining(CrossEntropy):
    def batch_loss(self, logits, targets, indices):
        while True:
            pass


class NotANumber(CrossEntropy):
    def per_sample(self, logits, targets, indices):
        return super().per_sample(logits, targets, indices) * float("nan")
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "losses_that_stall.py").write_text(HANGING)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sleep_deaf() -> None:
    """Catches everything that Python counts among mistakes."""
    while True:
        with suppress(Exception):
            time.sleep(60)


def loop() -> None:
    while True:
        pass


@pytest.mark.parametrize("hang", [sleep_deaf, loop])
def test_what_sleeps_or_loops_is_ended_by_its_sentence(hang: Callable[[], None]) -> None:
    began = time.monotonic()
    with pytest.raises(StudyError, match=r"^it hangs$"), ended_after(0.2, "it hangs"):
        hang()
    assert time.monotonic() - began < 30


def test_what_is_over_in_time_leaves_no_timer_and_the_one_before_goes_on() -> None:
    heard: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda number, frame: heard.append(number))
    before = signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        with ended_after(500, "it hangs"):
            pass
        assert 500 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
        signal.raise_signal(signal.SIGALRM)
        assert heard == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *before)


@pytest.mark.parametrize("limit_s", [1e-300, float("inf")])
def test_any_limit_is_one_that_a_timer_takes(limit_s: float) -> None:
    with pytest.raises(StudyError) if limit_s < 1 else ended_after(60, ""), ended_after(limit_s, "it hangs"):
        time.sleep(0.1)


def test_another_thread_than_the_main_one_goes_its_way() -> None:
    done: list[bool] = []

    def work() -> None:
        with ended_after(0.001, "it hangs"):
            time.sleep(0.05)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


@pytest.mark.parametrize(
    ("loss", "what"),
    [("Hangs", "its loss of 3 images takes longer than 1 s"), ("HangsInTraining", "4 batches take longer than 1 s")],
)
@pytest.mark.parametrize("option", [["--dry-run"], ["--max-hours", "1"]], ids=["dry run", "max hours"])
def test_a_preflight_whose_loss_hangs_names_the_family_and_the_task(
    loss: str, what: str, option: list[str], place: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "studies").mkdir()
    (place / "studies" / ".cache").symlink_to(cache)
    monkeypatch.setenv("STUDY_HOME", str(place / "studies"))
    (place / "stalls.yaml").write_text(
        SMALL.replace("  - ce", f'  - "losses_that_stall:{loss}"') + "resources: {timeout_s: 1}\n"
    )
    said = run("launch", "stalls.yaml", *option)
    (line,) = said.err.splitlines()
    assert said.code == 2
    assert f"{loss} on digits, clean, mlp hidden=8: " in line
    assert f"{what} (resources.timeout_s), so it is taken to hang" in line


def test_a_loss_that_is_no_number_is_doubted_by_name(place: Path, cache: Path, make_spec: SpecMaker) -> None:
    home = Home(place)
    home.cache.symlink_to(cache)
    spec = make_spec(families=["ce", "losses_that_stall:NotANumber"], noise__rate=0.0)
    (doubt,) = foresee(spec, home).doubts
    assert doubt.startswith("NotANumber on digits")
    assert "its loss is nan within 4 batches" in doubt
    assert foresee(make_spec(families=["ce"], noise__rate=0.0), home).doubts == []


def test_an_interrupted_dry_run_says_that_nothing_was_run(place: Path) -> None:
    (place / "stalls.yaml").write_text(SMALL.replace("  - ce", '  - "losses_that_stall:Hangs"'))
    running = subprocess.Popen(
        [sys.executable, "-m", "study.cli", "launch", "stalls.yaml", "--dry-run"], cwd=place, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"STUDY_HOME": str(place / "studies")},
    )  # fmt: skip
    try:
        while not (place / "hanging").exists():
            assert running.poll() is None
            time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        _, problems = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, problems.strip()) == (130, INTERRUPTED_DRY)


@pytest.mark.parametrize("option", [["--dry-run"], ["--max-hours", "1"]], ids=["dry run", "max hours"])
def test_a_preflight_refuses_the_password_that_a_launch_would_miss(
    option: list[str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PASSWORD", raising=False)
    monkeypatch.setenv("STUDY_HOME", str(place / "studies"))
    (place / "small.yaml").write_text(
        SMALL.replace("{enabled: false}", '{uri: "http://me:${NO_PASSWORD}@127.0.0.1:1"}')
    )
    said = run("launch", "small.yaml", *option)
    assert said.code == 2
    assert "tracking.uri needs ${NO_PASSWORD}, which is not set" in said.err
    assert said.out == ""
    assert not (place / "studies").exists()
