"""Where the trials of a launch run, as `ray_run.py` sees it: a Ray of its own on this machine, or a cluster."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from study.errors import StudyError
from study.planning.preflight import check_resources, num_workers
from study.records.environment import usable_cpus
from study.records.paths import Home
from study.running.processes import families, is_alive, is_stopped, kill_all, wait_for_all
from study.running.stop import StopRequest
from study.security.ray_token import keep_token_private
from study.spec import StudySpec
from trainables.storage import Storage

# Ray's own tables and loggers are off: the ledger keeps the results, the command shows them.
RAY_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # all that Ray starts listens on 127.0.0.1 alone
PROCESSES = ("raylet", "gcs_server")
STOPPED_LOOKS = 10  # in a row, a second apart, at which one may be stopped; while a launch is stopped too, none is made
LEAVE_S = 15.0  # which Ray may take to end what it started
GONE_S = 5.0  # which that may take to be gone when Ray has ended it


@dataclass(frozen=True)
class Cargo:
    """What a launch's trials need wherever they run: modules of a user's, by import path, and data sets.

    Data sets are as trials name them; where they are `tested`, their test images are needed as well.
    """

    own: Sequence[str]
    datasets: Sequence[Mapping[str, Any]]
    tested: bool


class Site(Protocol):
    """A Ray to run trials on. Where it is `shared`, it has other users, and processes may wait for room."""

    shared: bool

    @property
    def beginning(self) -> str:
        """What is said while it is connected to."""

    def settle(self) -> None:
        """Tell Ray how to behave; before it is imported."""

    def check(self, spec: StudySpec) -> None:
        """StudyError where a trial asks for more than there is, or nothing is there."""

    def connect(self, scratch: Path, cargo: Cargo) -> None:
        """Start Ray or join it; `scratch` is a folder for the launch."""

    def look(
        self, spec: StudySpec, home: Home, cargo: Cargo, say: Callable[[str], None], storage: Storage | None
    ) -> None:
        """StudyError where a part of it cannot run a study's trials; after `connect`."""

    def processes(self, spec: StudySpec) -> int:
        """How many processes train at a time; it may change."""

    def most_on_a_machine(self, spec: StudySpec) -> int:
        """How many of them one machine has."""

    def bound(self) -> int | None:
        """How many trials may run at a time whatever there is room for, if that was said."""

    def settings(self, run: dict[str, Any]) -> dict[str, Any]:
        """How a worker runs a trial, with what holds on this machine alone replaced."""

    def following(self, stop: StopRequest) -> AbstractContextManager[Any]:
        """Within it the site is followed: nodes that come and go, a stop that has to be passed on."""

    def news(self) -> list[str]:
        """Sentences on what changed since they were asked for last."""

    def lost(self) -> str | None:
        """What it lost that no trial can run without, in a sentence; asked now and then by a thread of its own."""

    def departed(self, actor: str) -> str | None:
        """The node of an actor that is gone with it; None where that is there."""

    def texts(self, pattern: str, actor: str) -> list[str]:
        """What files hold that lie where an actor ran; they are removed."""

    def kill(self, pid: int, actor: str) -> None:
        """End a process where an actor runs."""

    def leave(self, scratch: Path) -> None:
        """Nothing more runs: end Ray, or leave it as it was."""

    def end(self) -> None:
        """End at once what was started for this launch alone; from any thread, whatever the main one waits for."""


def settle(environment: Mapping[str, str]) -> None:
    """Set what is not set."""
    for name, value in environment.items():
        os.environ.setdefault(name, value)


def join_ray(**settings: Any) -> None:
    """Start Ray, or join it, silently."""
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)  # after the import, which sets it
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # why a trial failed stands in the ledger
    ray.init(log_to_driver=False, configure_logging=False, logging_level=logging.ERROR, **settings)


def last_line(problem: BaseException) -> str:
    """What an exception says, in short."""
    said = str(problem).strip()
    return said.splitlines()[-1][:300] if said else type(problem).__name__


class ThisMachine:
    """A Ray that the launch starts and ends, confined to this machine."""

    shared = False
    beginning = "starting Ray"

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._before: set[psutil.Process] | None = None
        self._started: list[psutil.Process] = []
        self._processes: list[tuple[psutil.Process, str]] = []
        self._stopped_looks: dict[str, int] = {}

    def settle(self) -> None:
        settle(RAY_ENVIRONMENT | LOOPBACK)

    def check(self, spec: StudySpec) -> None:
        check_resources(spec)

    def connect(self, scratch: Path, cargo: Cargo) -> None:
        keep_token_private()
        self._before = set(psutil.Process().children())
        try:
            join_ray(address="local", num_cpus=usable_cpus(), include_dashboard=False)
        except Exception as problem:  # whatever keeps a local cluster from starting
            said = last_line(problem)
            raise StudyError(f"Ray did not start: {said}; 'study doctor' says what this machine lacks") from None
        finally:
            self._started, self._before = self._new(), None
        self._processes = [(p, p.name()) for p in self._started if p.name() in PROCESSES]

    def look(
        self, spec: StudySpec, home: Home, cargo: Cargo, say: Callable[[str], None], storage: Storage | None
    ) -> None:
        pass

    def processes(self, spec: StudySpec) -> int:
        return num_workers(spec) if self._most is None else min(num_workers(spec), self._most)

    def most_on_a_machine(self, spec: StudySpec) -> int:
        return num_workers(spec)

    def bound(self) -> int | None:
        return self._most

    def settings(self, run: dict[str, Any]) -> dict[str, Any]:
        return run

    def following(self, stop: StopRequest) -> AbstractContextManager[Any]:
        return nullcontext()

    def news(self) -> list[str]:
        return []

    def lost(self) -> str | None:
        died = next((name for process, name in self._processes if not is_alive(process)), None)
        if died:
            return f"Ray's {died} died"
        stopped = [name for process, name in self._processes if is_stopped(process)]
        self._stopped_looks = {name: self._stopped_looks.get(name, 0) + 1 for name in stopped}
        asleep = next((name for name in stopped if self._stopped_looks[name] > STOPPED_LOOKS), None)
        return f"Ray's {asleep} is stopped" if asleep else None

    def departed(self, actor: str) -> str | None:
        return None

    def texts(self, pattern: str, actor: str) -> list[str]:
        return taken_texts(pattern)

    def kill(self, pid: int, actor: str) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def leave(self, scratch: Path) -> None:
        import ray

        family = families(self._started)
        late = threading.Timer(LEAVE_S, kill_all, [family])  # Ray waits for ever for one that is stopped
        late.daemon = True
        late.start()
        try:
            ray.shutdown()
        finally:
            late.cancel()
            kill_all(wait_for_all(family, GONE_S))

    def end(self) -> None:
        family = families(self._started or self._new())
        kill_all(family)
        wait_for_all(family, GONE_S)

    def _new(self) -> list[psutil.Process]:
        """What was started since `connect` began, while it goes on."""
        before = self._before
        return [] if before is None else [child for child in psutil.Process().children() if child not in before]


def taken_texts(pattern: str) -> list[str]:
    """What the files hold whose path is `pattern`, in which `*` stands for anything in their name; they are removed."""
    wanted, texts = Path(pattern), []
    for file in sorted(wanted.parent.glob(wanted.name)):
        with suppress(OSError):
            texts.append(file.read_text(encoding="utf-8", errors="replace"))
            file.unlink()
    return texts
