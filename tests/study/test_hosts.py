"""Who is blamed for the death of a host, and who trains alone after it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from study import lanes
from study.lanes import EXCUSED, Hosts, HostSettings

INTERVAL_S = 30.0


class Process:
    """A host's actor that is no process: it dies when told."""

    def __init__(self, settings: HostSettings, number: int) -> None:
        self.keys: dict[int, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.alone: set[str] = set()
        self.dead = False
        self.actor = self.open = self  # `host.actor.open.remote(...)`

    def remote(self, number: int, config: dict[str, Any]) -> None:
        self.runs[config["key"]] = config["run"]

    def is_dead(self, *, ask: bool = False) -> bool:
        return self.dead

    def marked(self) -> set[str]:
        return self.alone

    def where_it_hung(self) -> str | None:
        return None


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hosts:
    """One host, on which trials a and b are open."""
    monkeypatch.setattr(lanes, "Host", Process)
    settings = HostSettings(
        count=1, places=8, share=1.0, cpus=1, gpus=0, lanes=8, found=False, timeout_s=60, markers=tmp_path
    )
    made = Hosts(settings)
    opened(made)
    return made


def opened(hosts: Hosts) -> dict[str, dict[str, Any]]:
    """How a and b are run when they are opened now."""
    for key in "ab":
        hosts.open({"key": key, "trial": {}, "run": {"checkpoint_interval_s": INTERVAL_S}})
    host: Any = hosts.hosts[0]
    return host.runs


def dies(hosts: Hosts, alone: str = "") -> list[str]:
    """Which trials the death is not charged to."""
    host: Any = hosts.hosts[0]
    host.dead, host.alone = True, {alone} - {""}
    return [key for key in "ab" if hosts.excuses(key)]


def test_nobody_is_alone_before_a_host_dies(hosts: Hosts) -> None:
    assert not any(run["alone"] for run in opened(hosts).values())


def test_after_a_death_among_many_each_is_alone_for_a_checkpoint_interval_and_then_to_its_end(hosts: Hosts) -> None:
    for alone_s in (INTERVAL_S, math.inf, math.inf):
        dies(hosts)
        assert [(run["alone"], run["alone_s"]) for run in opened(hosts).values()] == [(True, alone_s)] * 2


def test_a_death_among_many_is_charged_to_nobody_twice_and_then_to_all(hosts: Hosts) -> None:
    charged = []
    for _ in range(EXCUSED + 1):
        charged.append(dies(hosts))
        opened(hosts)
    assert charged == [["a", "b"], ["a", "b"], []]


def test_a_death_that_came_while_one_trained_alone_is_charged_to_that_one(hosts: Hosts) -> None:
    for _ in range(EXCUSED + 2):
        assert dies(hosts, alone="a") == ["b"]
        assert not opened(hosts)["b"]["alone"]
