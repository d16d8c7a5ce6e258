"""Asking a study that runs elsewhere to stop."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from study.errors import StudyError
from study.records.lock import WriterLock
from study.records.paths import StudyPaths
from study.running.stopping import ask_to_stop, wait_until_stopped


@pytest.fixture
def paths(tmp_path: Path) -> StudyPaths:
    found = StudyPaths(tmp_path / "small")
    found.root.mkdir()
    return found


def test_a_study_that_does_not_run_is_left_alone(paths: StudyPaths) -> None:
    with pytest.raises(StudyError, match="study 'small' is not running"):
        ask_to_stop(paths)
    with WriterLock(paths.lock, "study launch"):
        pass
    with pytest.raises(StudyError, match="is not running"):
        ask_to_stop(paths)
    assert not paths.stop.exists()


@pytest.mark.parametrize("purpose", ["study launch", "study confirm"])
def test_a_running_one_is_asked_and_waited_for(purpose: str, paths: StudyPaths) -> None:
    def run() -> None:
        with WriterLock(paths.lock, purpose):
            began.set()
            while not paths.stop.exists():
                time.sleep(0.01)
            paths.stop.unlink()

    began = threading.Event()
    launch = threading.Thread(target=run)
    launch.start()
    began.wait()
    running = ask_to_stop(paths)
    assert running.startswith(f"'{purpose}', process")
    assert wait_until_stopped(paths, running, timeout_s=20)
    launch.join()
    assert not paths.stop.exists()


def test_one_that_does_not_stop_in_time_is_said_to_run_on(paths: StudyPaths) -> None:
    with WriterLock(paths.lock, "study launch"):
        assert not wait_until_stopped(paths, ask_to_stop(paths), timeout_s=0.3)
        assert paths.stop.exists()


def test_what_holds_a_study_without_running_it_is_not_asked(paths: StudyPaths) -> None:
    with WriterLock(paths.lock, "study sync"), pytest.raises(StudyError, match=r"held by 'study sync'.*; wait for it"):
        ask_to_stop(paths)
    assert not paths.stop.exists()


def test_another_launch_that_follows_is_not_waited_for(paths: StudyPaths) -> None:
    with WriterLock(paths.lock, "study launch"):
        running = ask_to_stop(paths)
    with WriterLock(paths.lock, "study confirm"):
        assert wait_until_stopped(paths, running, timeout_s=0)
