"""Who is blamed for the death of a host, and who trains alone after it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import GetTimeoutError

from study.running import lanes
from study.running.lanes import ANSWER_S, EXCUSED, Host, Hosts, HostSettings

INTERVAL_S = 30.0
TIMEOUT_S = 60.0


class Process:
    """A host's actor that is no process: it dies when told."""

    def __init__(self, settings: HostSettings, number: int, site: Any) -> None:
        self.name, self.is_up = f"lane-{number}", True
        self.keys: dict[int, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.alone: set[str] = set()
        self.dead = False
        self.silence = 0.0
        self.ended_after_s: float | None = None
        self.actor = self.open = self  # `host.actor.open.remote(...)`

    def remote(self, number: int, config: dict[str, Any]) -> None:
        self.runs[config["key"]] = config["run"]

    def is_dead(self, *, ask: bool = False) -> bool:
        return self.dead

    def silent_s(self) -> float:
        return self.silence

    def end_it(self, silent_s: float) -> None:
        self.dead, self.ended_after_s = True, silent_s

    def marked(self) -> set[str]:
        return self.alone

    def where_it_hung(self) -> str | None:
        return None if self.ended_after_s is None else "in silence"


@pytest.fixture
def settings(tmp_path: Path) -> HostSettings:
    return HostSettings(
        places=8, share=1.0, cpus=1, gpus=0, lanes=8, found=False, timeout_s=TIMEOUT_S, markers=tmp_path
    )


@dataclass
class Machines:
    """A site with room for some hosts, of which some have left with their nodes."""

    room: int = 1
    most: int | None = None
    left: set[str] = field(default_factory=set)
    killed: list[int] = field(default_factory=list)
    shared: bool = False

    def processes(self, spec: Any) -> int:
        return self.room

    def bound(self) -> int | None:
        return self.most

    def departed(self, actor: str) -> str | None:
        return "node" if actor in self.left else None

    def texts(self, pattern: str, actor: str) -> list[str]:
        return []

    def kill(self, pid: int, actor: str) -> None:
        self.killed.append(pid)


@pytest.fixture
def site() -> Machines:
    return Machines()


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, settings: HostSettings, site: Any) -> Hosts:
    """One host, on which trials a and b are open."""
    monkeypatch.setattr(lanes, "Host", Process)
    monkeypatch.setattr(lanes, "ray", SimpleNamespace(kill=lambda actor: None))
    spec: Any = None
    made = Hosts(settings, spec, site)
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


def test_a_host_that_left_with_its_node_is_no_death_of_a_trials(hosts: Hosts, site: Machines) -> None:
    for _ in range(EXCUSED + 2):
        host: Any = hosts.hosts[0]
        site.left.add(host.name)
        assert dies(hosts) == []  # nothing to excuse: the failure was not counted
        assert not any(run["alone"] for run in opened(hosts).values())


def test_hosts_come_with_room_and_are_not_replaced_without(hosts: Hosts, site: Machines) -> None:
    assert hosts.places == 8
    site.room = 3
    hosts.look()
    assert (len(hosts.hosts), hosts.places) == (3, 24)
    site.room = 2
    for host in hosts.hosts:
        host.dead = True
    hosts.look()
    assert (len(hosts.hosts), hosts.places) == (2, 16)


def test_of_hosts_that_wait_for_room_that_is_gone_none_is_kept(hosts: Hosts, site: Machines) -> None:
    site.room = 3
    hosts.look()
    waiting: Any = hosts.hosts[-1]
    waiting.is_up, site.room = False, 1
    hosts.look()
    assert waiting not in hosts.hosts
    assert len(hosts.hosts) == 2  # one that has begun is never ended for want of room


def test_on_a_cluster_trials_are_opened_where_a_host_has_begun(hosts: Hosts, site: Machines) -> None:
    site.shared, site.room = True, 2
    hosts.look()
    late: Any = hosts.hosts[1]
    late.is_up = False
    assert hosts.places == 8
    opened(hosts)
    assert late.keys == {}


def test_no_more_trials_are_open_than_were_asked_for(hosts: Hosts, site: Machines) -> None:
    site.most = 5
    assert hosts.places == 5


@pytest.mark.parametrize(("silence", "ended"), [(TIMEOUT_S - 1, False), (TIMEOUT_S + 1, True)])
def test_a_host_that_is_silent_for_longer_than_an_epoch_may_take_is_ended_and_replaced(
    silence: float, ended: bool, hosts: Hosts
) -> None:
    host: Any = hosts.hosts[0]
    host.silence = silence
    hosts.end_silent()
    hosts.end_silent()
    assert host.dead == ended
    assert hosts.excuses("a") == ended
    assert hosts.hung == (dict.fromkeys("ab", "in silence") if ended else {})
    assert (hosts.hosts[0] is not host) == ended


class Frozen:
    """Ray, and an actor of its that answers only what it was asked before it was stopped."""

    def __init__(self) -> None:
        self.stopped = False
        self.killed: list[Any] = []
        self.waits: list[float | None] = []
        self.asked: list[int] = []
        call = SimpleNamespace(remote=lambda *_: self._ask())
        self.actor = SimpleNamespace(_actor_id=b"actor", live=SimpleNamespace(remote=lambda: -1), facts=call, ping=call)

    def _ask(self) -> int:
        self.asked.append(len(self.asked))
        return self.asked[-1]

    def remote(self, **_: Any) -> Any:
        return lambda kind: SimpleNamespace(remote=lambda *_: self.actor)

    def get(self, future: int, timeout: float | None = None) -> dict[str, int]:
        self.waits.append(timeout)
        if self.stopped:
            raise GetTimeoutError
        return {"pid": 0}

    def wait(self, futures: list[int], timeout: float) -> tuple[list[int], list[int]]:
        answered = [future for future in futures if future >= 0 and not self.stopped]
        return answered, [future for future in futures if future not in answered]

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Frozen:
    made = Frozen()
    monkeypatch.setattr(lanes, "ray", made)
    return made


def test_a_host_that_gives_no_answer_is_not_taken_for_dead_and_holds_up_nobody(frozen: Frozen, settings: Any) -> None:
    host = Host(settings, 1, Machines())
    frozen.stopped = True
    assert not host.is_dead(ask=True)
    assert frozen.waits == [ANSWER_S]


def test_silence_counts_from_the_first_question_after_an_answer(
    frozen: Frozen, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(lanes.time, "monotonic", lambda: now)
    frozen.stopped = True  # as a process that is still starting
    host = Host(settings, 1, Machines())
    now += 1000
    assert host.silent_s() == 0
    frozen.stopped = False
    assert host.silent_s() == 0
    frozen.stopped = True
    now += 30
    assert host.silent_s() == 30
    now += 40
    assert host.silent_s() == 70
    frozen.stopped = False
    assert host.silent_s() == 0


def test_a_stopped_process_is_killed_by_ray_and_by_its_number(frozen: Frozen, settings: Any, site: Machines) -> None:
    host = Host(settings, 1, site)
    host.silent_s()
    host.end_it(70.0)
    assert frozen.killed == [frozen.actor]
    assert site.killed == [0]
    assert "no answer" in str(host.where_it_hung())
