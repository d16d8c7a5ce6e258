"""Studies launched for real, as a user would: the installed command in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

STUDY = Path(sys.executable).with_name("study")

TINY = """\
name: tiny
dataset: digits
noise: {rate: [0.0, 0.4]}
model: {name: mlp, hidden: 16}
families:
  - ce
  - {family: tce, space: {alpha: {grid: [0.5, 1.5]}}}
training:
  epochs: 4
  optimizer: {name: sgd, lr: 0.05}
search: {name: grid, repeats: 2}
"""
TINY_TRIALS = 12  # (1 + 2 configs) x 2 noise rates x 2 repeats


@dataclass(frozen=True)
class Place:
    """A folder with a study file in it, and the studies' home below."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "studies"

    def write(self, text: str, name: str = "tiny.yaml") -> Path:
        path = self.root / name
        path.write_text(text)
        return path

    def environment(self, **more: str) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if key != "STUDY_HOME"}
        return {**clean, "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **more}

    def start(self, *arguments: str, group: bool = False, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(STUDY), *arguments],
            cwd=self.root,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=group,
        )

    def run(self, *arguments: str, expect: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(STUDY), *arguments],
            cwd=self.root,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def json(self, *arguments: str, expect: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", expect=expect).stdout)

    def rows(self, query: str, *, study: str = "tiny") -> list[tuple[Any, ...]]:
        return rows_of(self.home / study / "ledger.db", query)

    def mlflow(self, query: str) -> list[tuple[Any, ...]]:
        return rows_of(self.home / "mlflow.db", query)


def rows_of(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What an SQLite file answers, unchanged."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as connection:
        rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


LIGHT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


@contextmanager
def started(address: str, *command: str, log: Any = subprocess.DEVNULL, **environment: str) -> Iterator[None]:
    """A server that answers at `address` before the block begins; what it says goes to `log`."""
    server = subprocess.Popen(
        [sys.executable, "-m", *command], env={**os.environ, **LIGHT, **environment}, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(address, timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path)
    found.write(TINY)
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The tiny study, launched to its end; read only."""
    found = Place(tmp_path_factory.mktemp("finished"))
    found.write(TINY)
    found.run("launch", "tiny.yaml")
    return found


@pytest.fixture
def runs_per_key() -> Callable[[Place], list[int]]:
    """How many MLflow runs each trial or cell has."""

    def count(place: Place) -> list[int]:
        return [n for (n,) in place.mlflow("select count(*) from tags where key = 'study.key' group by value")]

    return count
