"""Processes of this machine: whether they run, and ending those that a launch started."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

from study.running.stopped import STOPPED

LOOK_EVERY_S = 0.05


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs, or would if it were continued."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_stopped(process: psutil.Process) -> bool:
    """Whether a signal or a debugger has stopped it."""
    try:
        return process.status() in STOPPED
    except psutil.Error:  # it is gone
        return False


def families(heads: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Processes and all that they started, as far as those that started it still run."""
    found: list[psutil.Process] = []
    for head in heads:
        found.append(head)
        with suppress(psutil.NoSuchProcess):
            found += head.children(recursive=True)
    return found


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """End them, stopped ones too."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # psutil knows a number that another process has now
            process.kill()


def wait_for_all(processes: Iterable[psutil.Process], limit_s: float) -> list[psutil.Process]:
    """Those that have not ended within the time. One that nobody waits for, a zombie, has ended."""
    deadline = time.monotonic() + limit_s
    left = [process for process in processes if is_alive(process)]
    while left and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
        left = [process for process in left if is_alive(process)]
    return left
