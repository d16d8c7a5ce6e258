"""A host of trials, driven by hand as Tune drives it."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trainables.engine.lanes import LaneArray
from trainables.hosting import TrialHost
from trainables.trial import Trial, plain_trial

KEYS = "abc"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[TrialHost]:
    made = TrialHost(4, False, "cpu", str(tmp_path / "marker"), [], 1.0, 600.0)
    yield made
    made.host.close()
    made.watchdog.close()


@pytest.fixture
def config(cache: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Of a trial of four epochs."""

    def make(key: str, **run: Any) -> dict[str, Any]:
        settings = {
            "store": str(tmp_path / key), "cache": str(cache), "import_from": [], "planned_from": {},
            "stop_file": str(tmp_path / "stop"),
            "decisions": [], "report_interval_s": 0, "checkpoint_interval_s": 60, "threads": 1, "device": "cpu",
            "alone": False,
        }  # fmt: skip
        trial: Trial = plain_trial("ce", {"epochs": 4, "model": "mlp"})
        return {"key": key, "trial": trial, "run": settings | run}

    return make


@pytest.fixture
def keys_in_arrays(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Which lanes trained each epoch, as it goes on."""
    seen, advance = list[tuple[str, ...]](), LaneArray.advance

    def looked(array: LaneArray) -> Any:
        seen.append(tuple(sorted(array.keys)))
        return advance(array)

    monkeypatch.setattr(LaneArray, "advance", looked)
    return seen


def together(*calls: Callable[[], Any]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert condition()


def to_the_end(host: TrialHost, number: int) -> None:
    while not host.train(number)["done"]:
        pass


@pytest.mark.parametrize("epochs", [0, 1, 4], ids=["before it begins", "stopped", "at its end"])
def test_nothing_of_a_trial_stays_once_it_is_closed(
    epochs: int, host: TrialHost, config: Callable[..., dict[str, Any]]
) -> None:
    kept = []
    for number, key in enumerate(KEYS):
        host.open(number, config(key))
        session = host.trials[number].runner.session
        kept += [weakref.ref(thing) for thing in (session, session.place, session.place.array)]
        del session
    for _ in range(epochs):
        together(*(lambda n=number: host.train(n) for number in range(len(KEYS))))
    for number in range(len(KEYS)):
        host.close(number)
    assert host.trials == {}
    wait_until(lambda: not host.host.pools and not any(thing() for thing in kept))


def test_a_trial_that_could_not_be_opened_is_closed_without_a_word(
    host: TrialHost, config: Callable[..., dict[str, Any]]
) -> None:
    broken = config("a")
    broken["trial"]["model"] = {"name": "mlp", "hidden": 0}
    with pytest.raises(ValueError, match="hidden = 0 is not one of"):
        host.open(0, broken)
    host.close(0)
    assert (host.trials, host.host.pools) == ({}, {})


def test_what_trained_alone_for_its_time_joins_the_others(
    host: TrialHost, config: Callable[..., dict[str, Any]], keys_in_arrays: list[tuple[str, ...]]
) -> None:
    host.open(0, config("suspect", alone=True, alone_s=0))
    first = host.train(0)
    assert first["epoch"] == 1
    host.open(1, config("other"))
    together(lambda: to_the_end(host, 0), lambda: to_the_end(host, 1))
    assert keys_in_arrays[0] == ("suspect",)
    assert ("other", "suspect") in keys_in_arrays


@pytest.mark.parametrize("alone_s", [60, float("inf")])
def test_what_has_yet_to_show_that_it_is_harmless_stays_alone(
    alone_s: float, host: TrialHost, config: Callable[..., dict[str, Any]], keys_in_arrays: list[tuple[str, ...]]
) -> None:
    host.open(0, config("suspect", alone=True, alone_s=alone_s))
    host.open(1, config("other"))
    together(lambda: to_the_end(host, 0), lambda: to_the_end(host, 1))
    assert set(keys_in_arrays) == {("suspect",), ("other",)}


def test_a_trial_that_joined_the_others_is_what_it_would_be_alone(
    host: TrialHost, config: Callable[..., dict[str, Any]]
) -> None:
    host.open(0, config("joins", alone=True, alone_s=0))
    host.open(1, config("stays", alone=True, alone_s=60))
    for number in (0, 1):
        to_the_end(host, number)
    joined, stayed = (host.trials[number].runner.session.history for number in (0, 1))
    losses = [[metrics["train_loss"] for metrics in history] for history in (joined, stayed)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 4
