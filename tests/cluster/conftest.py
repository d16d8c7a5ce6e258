"""Clusters on this machine, and a folder to launch studies from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.nodes import LocalCluster
from tests.launch.conftest import TINY, Place, runs_per_key

__all__ = ["runs_per_key"]


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
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = Place(tmp_path_factory.mktemp("place"))
    found.write(TINY)
    return found
