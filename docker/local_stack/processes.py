"""Ending what was started, and nothing else."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil

MARK = "LOCAL_STACK_RUN"  # in the environment of every process of a stack: the stack's folder of short paths
PATIENCE_S = 15.0


def identity(process: psutil.Process) -> dict[str, Any]:
    """By which a process is known again, whoever has its number later."""
    return {"pid": process.pid, "created": process.create_time()}


def find(known: dict[str, Any]) -> psutil.Process | None:
    """The process, if it still runs."""
    try:
        process = psutil.Process(known["pid"])
        same = process.create_time() == known["created"]
    except psutil.NoSuchProcess:
        return None
    return process if same and _runs(process) else None


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process and all that descend from it."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def marked(run: Path) -> list[psutil.Process]:
    """Processes that a stack started at whatever remove, as far as they kept their environment; not this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(run):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


def end(process: psutil.Process, polite: signal.Signals = signal.SIGTERM, patience_s: float = PATIENCE_S) -> None:
    """Ask the process to end; whatever of its family is left after that is asked too, and then killed."""
    members = family(process)
    _send([process], polite)
    _wait([process], patience_s)
    orphans = _wait(members, 0.0)
    _send(orphans, signal.SIGTERM)
    kill(_wait(orphans, 2.0))


def kill(processes: list[psutil.Process]) -> None:
    """End them at once."""
    _send(processes, signal.SIGKILL)
    _wait(processes, 5.0)


def _send(processes: list[psutil.Process], what: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(what)
        except psutil.NoSuchProcess:
            continue


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still run after so long. One that nobody has asked for its exit code yet has ended all the same."""
    deadline = time.monotonic() + seconds
    while (left := [each for each in processes if _runs(each)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
