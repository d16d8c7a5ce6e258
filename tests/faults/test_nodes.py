"""Nodes of a cluster that are gone in the middle of a study."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cluster.nodes import LocalCluster
from tests.faults.conftest import Disturbed
from tests.launch.conftest import TINY_TRIALS

GROUP = "A cluster's nodes"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCluster]:
    """A head and two nodes of a core each, whose token is in the environment."""
    made = LocalCluster()
    try:
        made.start_head()
        made.add("one")
        made.add("two")
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made
    finally:
        made.close()


def test_a_node_that_is_killed_gives_its_trials_back(disturbed: Disturbed, cluster: LocalCluster) -> None:
    disturbed = replace(disturbed, options=("--address", cluster.address))
    running = disturbed.launch_until(lambda: disturbed.ended() >= 2 and disturbed.under_way() >= 2)
    cluster.nodes["two"].kill()
    disturbed.strike()
    said, problems = running.communicate(timeout=600)
    assert running.returncode == 0, said + problems
    assert any("node two" in told and "left" in told for (told,) in disturbed.place.rows("select message from events"))
    disturbed.assert_like_calm()
    disturbed.keep(GROUP, "one of two, killed", "its trials go on on the other from their checkpoints, which is no "
                   "failure of theirs; the launch goes on")  # fmt: skip


def test_a_head_that_is_killed_ends_the_launch_and_another_machine_goes_on(
    disturbed: Disturbed, cluster: LocalCluster
) -> None:
    there = replace(disturbed, options=("--address", cluster.address))
    running = there.launch_until(lambda: there.ended() >= 2 and there.under_way())
    cluster.nodes["head"].kill()
    disturbed.strike()
    said, problems = running.communicate(timeout=200)
    assert running.returncode == 1, said + problems
    assert "what was reported is saved; the same command goes on" in said + problems
    for name in list(cluster.environment):
        os.environ.pop(name)
    disturbed.launch_to_the_end()
    assert disturbed.ended() == TINY_TRIALS
    disturbed.assert_like_calm()
    disturbed.keep(GROUP, "the head, killed", "the launch ends with a sentence; the same command, here without a "
                   "cluster, goes on")  # fmt: skip
