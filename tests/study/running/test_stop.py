"""How a launch takes signals, also when Ray goes first."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from study.running import ray_watch
from study.running.processes import is_alive
from study.running.ray_run import why_it_ends
from study.running.ray_watch import RayWatch
from study.running.stop import StopRequest


def test_a_signal_is_known_to_other_threads_while_the_main_one_is_deaf(tmp_path: Path) -> None:
    stop, asked = StopRequest(tmp_path / "stop"), list[bool]()
    ready, returned = threading.Event(), threading.Event()

    def look() -> None:
        ready.set()
        time.sleep(0.1)
        asked.append(stop.asked)
        os.kill(os.getpid(), signal.SIGTERM)
        deadline = time.monotonic() + 5
        while not stop.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        asked.append(stop.asked and not returned.is_set())

    other = threading.Thread(target=look)

    def deaf() -> None:
        with stop.on_signals():
            other.start()
            ready.wait()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 5_000_000)  # some seconds, in which Python calls no handler
            returned.set()

    with pytest.raises(KeyboardInterrupt):
        deaf()
    other.join()
    assert asked == [False, True]


def test_an_end_that_the_launch_itself_wants_is_none_that_the_user_asked_for(tmp_path: Path) -> None:
    stop = StopRequest(tmp_path / "stop")

    def ended() -> None:
        with stop.on_signals():
            stop.at_once()
            time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        ended()
    assert not stop.asked


@pytest.mark.parametrize(
    ("signals", "asked_elsewhere", "insisted"), [(1, False, False), (2, False, True), (1, True, True)]
)
def test_a_second_wish_for_the_end_is_known_to_other_threads_while_the_main_one_is_deaf(
    signals: int, asked_elsewhere: bool, insisted: bool, tmp_path: Path
) -> None:
    stop, found = StopRequest(tmp_path / "stop"), list[bool]()

    def look() -> None:
        time.sleep(0.2)
        for _ in range(signals):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
        found.append(stop.insisted)

    other = threading.Thread(target=look)
    with suppress(KeyboardInterrupt), stop.on_signals(), stop.gently():
        if asked_elsewhere:
            stop.file.touch()
        other.start()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 3_000_000)
        other.join()
    assert found == [insisted]


def test_one_signal_that_was_taken_is_no_second_wish_nor_is_an_end_that_the_launch_wants(tmp_path: Path) -> None:
    stop = StopRequest(tmp_path / "stop")
    with stop.on_signals(), stop.gently():
        os.kill(os.getpid(), signal.SIGINT)
        while not stop:
            time.sleep(0.01)
        assert stop.asked
        assert not stop.insisted
        with pytest.raises(KeyboardInterrupt):
            interrupt(stop)
        assert not stop.insisted


def interrupt(stop: StopRequest) -> None:
    stop.at_once()
    time.sleep(5)


class Slow:
    """Takes its time to go, and is interrupted meanwhile."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)


def test_an_interrupt_that_comes_while_an_object_is_destroyed_is_not_lost(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        with StopRequest(tmp_path / "stop").on_signals():
            Slow()  # goes at once
            time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "Traceback" not in capfd.readouterr().err


def test_what_else_cannot_be_raised_goes_where_it_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("broken")

    heard: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda lost: heard.append(lost.exc_type))
    broken = Broken()
    with StopRequest(tmp_path / "stop").on_signals():
        del broken
    assert heard == [ValueError]


@pytest.fixture
def raylet() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for Ray's."""
    running = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
    assert running.stdout is not None
    running.stdout.readline()
    yield running
    running.kill()
    running.communicate()


@pytest.mark.parametrize("to_the_group", [True, False])
def test_a_signal_to_a_main_thread_that_waits_for_ray_is_heard_when_ray_is_gone(
    to_the_group: bool, raylet: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end() -> None:
        if to_the_group:
            os.kill(os.getpid(), signal.SIGTERM)
        raylet.kill()

    def wait_for_ray() -> None:
        with watch:
            threading.Timer(0.3, end).start()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 5_000_000)  # answers no signal, as Ray without its raylet
            threading.Event().wait(60)

    monkeypatch.setattr(ray_watch, "LOOK_EVERY_S", 0.05)
    stop = StopRequest(tmp_path / "stop")
    process = psutil.Process(raylet.pid)
    watch = RayWatch(stop, lambda: None if is_alive(process) else "Ray's raylet died", lambda: None, lambda died: None)
    with stop.on_signals(), stop.gently():
        with pytest.raises(KeyboardInterrupt):
            wait_for_ray()
        assert watch.died == "Ray's raylet died"
        assert stop.asked == to_the_group
        said = {True: "a stop was asked for, and Ray's raylet died", False: "Ray's raylet died"}
        assert why_it_ends(watch.died, stop) == said[to_the_group]
