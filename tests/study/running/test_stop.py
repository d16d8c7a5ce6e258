"""How a launch takes signals."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from study.running.stop import StopRequest


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
