"""Clusters on this machine, a folder to launch studies from, and a laptop that reaches a head's job server alone."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.job_server import JobServer
from tests.cluster.nodes import LocalCluster
from tests.launch.conftest import TINY, Place, runs_per_key

__all__ = ["runs_per_key"]

ROOT = Path(__file__).parents[2]
ALONE = "import study.remote.jobs as jobs; jobs.ON_THE_CLUSTER = (); from study.cli import main; main()"
ON_ALL_NODES = "from study.cli import main; main()"


@dataclass(frozen=True)
class LaunchingPlace(Place):
    """A place that knows what was started there."""

    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, group: bool = False, **environment: str) -> subprocess.Popen[str]:
        self.started.append(super().start(*arguments, group=group, **environment))
        return self.started[-1]


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    """A head alone."""
    made = LocalCluster()
    try:
        made.start_head()
        yield made
    finally:
        made.close()


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    found = LaunchingPlace(tmp_path_factory.mktemp("place"))
    found.write(TINY)
    yield found
    for launch in found.started:
        if launch.poll() is None:  # a test that failed
            launch.kill()
            launch.communicate()


@dataclass(frozen=True)
class Laptop:
    """A folder with a study file, and the address and token of a head. `program` is what its `study` command is."""

    root: Path
    address: str
    token: str
    program: str = ALONE

    @property
    def home(self) -> Path:
        return self.root / "studies"

    def run(self, *words: str, expect: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STUDY_", "RAY_"))}
        done = subprocess.run(
            [sys.executable, "-c", self.program, *words],
            cwd=self.root,
            env={**kept, "PYTHONPATH": str(ROOT), "RAY_AUTH_TOKEN": self.token, "COLUMNS": "200", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def there(self, *words: str, expect: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(*words, "--address", self.address, expect=expect, **environment)

    def json_at(self, home: Path, *words: str) -> Any:
        """What a command says of another home of studies, as on the head."""
        return json.loads(self.run(*words, "--json", STUDY_HOME=str(home)).stdout)

    def json(self, *words: str, expect: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", expect=expect).stdout)

    def json_there(self, *words: str, expect: int = 0) -> Any:
        return json.loads(self.there(*words, "--json", expect=expect).stdout)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JobServer]:
    folder = tmp_path / "head"
    folder.mkdir()
    server = JobServer(folder, secrets.token_hex(16), {"STUDY_HOME": str(folder / "studies")})
    server.start()
    yield server
    server.close()


@pytest.fixture
def laptop(tmp_path: Path, server: JobServer) -> Laptop:
    root = tmp_path / "laptop"
    root.mkdir()
    return Laptop(root, server.address, server.token)
