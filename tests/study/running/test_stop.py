"""How a launch hears that it is to end, when Ray goes first."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.running import ray_watch
from study.running.ray_run import why_it_ends
from study.running.ray_watch import RayWatch
from study.running.stop import StopRequest


@pytest.fixture
def raylet(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of that name."""
    (tmp_path / "raylet").symlink_to(sys.executable)
    running = subprocess.Popen([tmp_path / "raylet", "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
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
    watch = RayWatch(stop, lambda died: None)
    before = signal.set_wakeup_fd(-1)
    with stop.on_signals(), stop.gently():
        with pytest.raises(KeyboardInterrupt):
            wait_for_ray()
        assert watch.died == "raylet"
        assert bool(stop) == to_the_group
        said = {True: "a stop was asked for, of Ray's processes too", False: "Ray's raylet died"}
        assert why_it_ends(watch.died, stop) == said[to_the_group]
    assert signal.set_wakeup_fd(before) == -1
