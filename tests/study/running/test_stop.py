"""How a launch takes signals."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from study.running.stop import StopRequest


def test_a_signal_is_known_to_other_threads_while_the_main_one_is_deaf(tmp_path: Path) -> None:
    stop, asked, returned = StopRequest(tmp_path / "stop"), list[bool](), threading.Event()

    def look() -> None:
        asked.append(stop.asked)
        os.kill(os.getpid(), signal.SIGTERM)
        deadline = time.monotonic() + 5
        while not stop.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        asked.append(stop.asked and not returned.is_set())

    def deaf() -> None:
        with stop.on_signals():
            threading.Thread(target=look).start()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 3_000_000)  # some seconds, in which Python calls no handler
            returned.set()

    with pytest.raises(KeyboardInterrupt):
        deaf()
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
