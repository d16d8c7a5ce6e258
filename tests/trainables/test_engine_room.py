"""No more lanes are tried than fit into the memory that is free."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables.engine import host as hosts
from trainables.engine.host import LaneHost
from trainables.engine.room import FILLED, HostMemory, Memory, Room, free_in_cgroup
from trainables.engine.session import Session
from trainables.engine.width import FIRST, Width
from trainables.trial import Trial

MEGABYTES = 2**20


class MadeUp(Memory):
    """So much free at first, and so much taken at every peak, whoever trains."""

    def __init__(self, free: float, taken: float) -> None:
        self._free, self._taken, self.epochs = free, taken, 0

    def free(self) -> float:
        return self._free if not self.epochs else 0

    def held(self) -> float:
        return 1000 if not self.epochs else 1000 + self._taken

    def restart(self) -> None:
        self.epochs += 1

    def peak(self) -> float:
        return 1000 + self._taken


@pytest.mark.parametrize(
    ("free", "share", "taken", "trained", "fit"),
    [
        (1000, 1.0, 100, 1, 1000 * FILLED // 100),
        (1000, 1.0, 100, 2, 1000 * FILLED // 50),
        (1000, 0.5, 100, 1, 500 * FILLED // 100),
        (1000, 1.0, 5000, 1, 1),
    ],
)
def test_as_many_lanes_fit_as_the_share_of_the_free_memory_holds(
    free: float, share: float, taken: float, trained: int, fit: int
) -> None:
    room = Room(MadeUp(free, taken), share)
    for empty in (True, False):
        room.begin(empty=empty)
        assert room.lanes(trained) == fit


def test_where_nothing_is_seen_to_be_taken_memory_bounds_nothing() -> None:
    room = Room(MadeUp(2**30, 0), 1.0)
    room.begin(empty=True)
    assert room.lanes(1) > 10**6


@pytest.mark.parametrize("fit", [1, 5, 12, 100])
def test_the_width_that_pays_is_never_more_than_fits(fit: int) -> None:
    width, tried = Width(64, found=True), []
    for _ in range(12):
        tried.append(width.now(100))
        width.took(tried[-1], 1.0)  # the more lanes, the less each takes
        width.fits(fit)
    assert max(tried[1:]) == tried[-1] == min(fit, 64)


@pytest.mark.parametrize(("found", "widest"), [(True, 3), (False, 6)])
def test_a_host_that_finds_its_width_trains_no_more_lanes_than_fit(
    found: bool, widest: int, make_trial: Callable[..., Trial], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MadeUp(free=8, taken=6)  # 2 for each of the three lanes of the first epoch
    monkeypatch.setattr(hosts, "memory_of", lambda device: memory)
    host = LaneHost(FIRST, found=found)
    sessions = [Session(str(i), make_trial(seed=i), cache, host=host) for i in range(6)]
    places = [session.place for session in sessions]
    pool: Any = next(iter(host.pools.values()))

    def epoch(of: list[Any]) -> int:
        for place in of:
            place.wants = True
        pool.train()
        width = len(pool.array.lanes)
        for place in of:
            place.wants = False
        return width

    assert epoch(places[:3]) == 3
    assert epoch(places) == widest
    assert memory.epochs == (2 if found else 0)
    host.close()


@pytest.mark.skipif(platform.system() != "Linux", reason="what a process takes is read from /proc")
def test_the_peak_of_this_process_is_seen_and_forgotten() -> None:
    memory = HostMemory()
    memory.restart()
    before = memory.held()
    passing = np.ones(96 * MEGABYTES, np.uint8)
    assert 80 * MEGABYTES < memory.held() - before < 120 * MEGABYTES
    del passing
    assert memory.held() - before < 40 * MEGABYTES
    assert 80 * MEGABYTES < memory.peak() - before < 140 * MEGABYTES
    memory.restart()
    assert memory.peak() - before < 40 * MEGABYTES


@pytest.mark.parametrize("version", ["v2", "v1"])
def test_a_containers_limit_counts_and_its_idle_pages_do_not(version: str, tmp_path: Path) -> None:
    names, idle = {
        "v2": (("memory.max", "memory.current", "memory.stat"), "inactive_file"),
        "v1": (("limit_in_bytes", "usage_in_bytes", "stat"), "total_inactive_file"),
    }[version]
    folder = tmp_path
    if version == "v1":
        folder = tmp_path / "memory"
        folder.mkdir()
        names = tuple(f"memory.{name}" for name in names)
    for name, text in zip(names, ("1000", "700", f"anon 5\n{idle} 150\n"), strict=True):
        (folder / name).write_text(text)
    assert free_in_cgroup(tmp_path) == 450
    (folder / names[1]).write_text("1400")
    assert free_in_cgroup(tmp_path) == 0


def test_without_a_limit_a_container_may_take_all(tmp_path: Path) -> None:
    assert free_in_cgroup(tmp_path) == math.inf
    for name, text in (("memory.max", "max\n"), ("memory.current", "700"), ("memory.stat", "inactive_file 0\n")):
        (tmp_path / name).write_text(text)
    assert free_in_cgroup(tmp_path) == math.inf
    assert 0 < HostMemory().free() < math.inf
