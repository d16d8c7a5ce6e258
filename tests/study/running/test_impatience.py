"""What a user gets who asks twice: the end, whether or not the main thread hears it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from study.running import impatience
from study.running.impatience import Impatience
from study.running.stop import StopRequest


@pytest.fixture
def stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StopRequest:
    monkeypatch.setattr(impatience, "GRACE_S", 0.5)
    return StopRequest(tmp_path / "stop")


def ask(times: int) -> None:
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)


def test_a_main_thread_that_does_not_come_back_is_left(stop: StopRequest) -> None:
    left, asked_for = threading.Event(), 0
    with stop.on_signals(), stop.gently(), Impatience(stop, left.set):
        for _ in range(2):
            try:
                ask(1)
            except KeyboardInterrupt:  # and yet it does not end
                asked_for += 1
        assert asked_for == 1
        assert not left.is_set()
        assert left.wait(5)


def test_a_main_thread_that_comes_back_ends_by_itself(stop: StopRequest) -> None:
    left = threading.Event()
    with pytest.raises(KeyboardInterrupt), stop.on_signals(), stop.gently(), Impatience(stop, left.set):
        ask(2)
    time.sleep(1)
    assert not left.is_set()


def test_who_asks_once_has_patience(stop: StopRequest) -> None:
    left = threading.Event()
    with stop.on_signals(), stop.gently(), Impatience(stop, left.set):
        ask(1)
        time.sleep(1)
    assert not left.is_set()
