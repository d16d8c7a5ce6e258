"""Clusters on this machine, and a folder to launch studies from."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.cluster.nodes import LocalCluster
from tests.launch.conftest import TINY, Place, runs_per_key

__all__ = ["runs_per_key"]


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
