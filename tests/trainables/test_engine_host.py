"""Trials in threads of their own whose lanes train in one array: the same numbers as alone, whatever the others do."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.lanes import assert_same_lane
from trainables.engine import pool as pools
from trainables.engine.host import LaneHost
from trainables.engine.lane import Lane, LaneState
from trainables.engine.lanes import LaneArray
from trainables.engine.program import Program
from trainables.engine.session import Session
from trainables.engine.width import EPOCHS, FIRST, Width
from trainables.trial import Trial

FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("ce", {}),
    ("tce", {"alpha": 1.5}),
    ("mcel", {"epsilon": 0.3, "similarity": "uniform"}),
    ("sg_mcel", {"similarity": "uniform"}),
    ("elr", {}),
    ("tce", {"alpha": 0.5}),
]
TOLERANCE = 1e-8


@pytest.fixture
def host() -> Iterator[LaneHost]:
    made = LaneHost(4)
    yield made
    made.close()


@pytest.fixture(scope="module")
def trials(make_trial: Callable[..., Trial]) -> dict[str, Trial]:
    """Trials a to f, of different lengths."""
    return {
        "abcdef"[i]: make_trial(
            family, hyperparameters=hyperparameters, model="mlp", precision="float64", epochs=2 + i % 3, seed=i,
            optimizer={"lr": 0.02 * (i + 1)},
        )
        for i, (family, hyperparameters) in enumerate(FAMILIES)
    }  # fmt: skip


@pytest.fixture(scope="module")
def alone(trials: dict[str, Trial], cache: Path) -> dict[str, LaneState]:
    return {key: run(Session(key, trial, cache)) for key, trial in trials.items()}


def run(session: Session, before_epoch: Callable[[int], None] = lambda epoch: None) -> LaneState:
    while not session.done:
        before_epoch(session.epoch)
        assert session.advance()
    return session.place.save()


def run_together(
    host: LaneHost, trials: dict[str, Trial], cache: Path, before_epoch: Callable[[str, int], None] = lambda k, e: None
) -> dict[str, Any]:
    """Each trial in a thread; what it became, or the exception that ended it."""
    results: dict[str, Any] = {}

    def work(key: str) -> None:
        try:
            session = Session(key, trials[key], cache, host=host)
            results[key] = run(session, lambda epoch: before_epoch(key, epoch))
        except Exception as problem:
            results[key] = problem

    threads = [threading.Thread(target=work, args=(key,)) for key in trials]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results


def test_more_trials_than_lanes_of_other_lengths_become_what_they_become_alone(
    host: LaneHost, trials: dict[str, Trial], alone: dict[str, LaneState], cache: Path
) -> None:
    together = run_together(host, trials, cache)
    for key, state in alone.items():
        assert_same_lane(together[key], state, TOLERANCE)


def test_a_late_lane_loses_its_seat_and_takes_one_again(
    host: LaneHost, trials: dict[str, Trial], alone: dict[str, LaneState], cache: Path
) -> None:
    dawdled: list[bool] = []

    def before_epoch(key: str, epoch: int) -> None:
        if key == "c" and epoch:
            others = [place for pool in host.pools.values() for place in pool.places if place.lane.key != "c"]
            deadline = time.monotonic() + 20
            while any(not place.left for place in others) and time.monotonic() < deadline:
                time.sleep(0.01)  # until all the others have ended
            dawdled.append(all(place.left for place in others))

    together = run_together(host, {key: trials[key] for key in "abc"}, cache, before_epoch)
    assert dawdled
    assert all(dawdled)
    for key in "abc":
        assert_same_lane(together[key], alone[key], TOLERANCE)


def test_a_lane_whose_epoch_breaks_ends_alone(
    host: LaneHost, trials: dict[str, Trial], alone: dict[str, LaneState], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Program.train

    def breaks(program: Program, epochs: Any, rates: Any) -> Any:
        measured = train(program, epochs, rates)
        if any(lane.key == "b" and epoch == 1 for lane, epoch in zip(program.lanes, epochs, strict=True)):
            raise RuntimeError("a loss of one's own went wrong")
        return measured

    monkeypatch.setattr(Program, "train", breaks)
    together = run_together(host, {key: trials[key] for key in "abcd"}, cache)
    assert isinstance(together["b"], RuntimeError)
    for key in "acd":
        assert_same_lane(together[key], alone[key], TOLERANCE)


def test_out_of_memory_halves_the_array_and_goes_on(
    trials: dict[str, Trial], alone: dict[str, LaneState], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, widths = Program.train, []

    def full(program: Program, epochs: Any, rates: Any) -> Any:
        widths.append(len(epochs))
        measured = train(program, epochs, rates)
        if len(epochs) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return measured

    monkeypatch.setattr(Program, "train", full)
    host = LaneHost(5)
    together = run_together(host, trials, cache)
    host.close()
    for key, state in alone.items():
        assert_same_lane(together[key], state, TOLERANCE)
    too_wide = [width for width in widths if width > 2]
    assert len(too_wide) <= 2
    assert max(widths[-3:]) <= 2


def test_networks_that_cannot_be_stacked_train_one_at_a_time_and_the_trial_says_why(
    host: LaneHost, trials: dict[str, Trial], alone: dict[str, LaneState], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Program.train

    def unstackable(program: Program, epochs: Any, rates: Any) -> Any:
        if len(epochs) > 1:
            raise RuntimeError("vmap: data-dependent control flow")
        return train(program, epochs, rates)

    monkeypatch.setattr(Program, "train", unstackable)
    places, enter = {}, LaneHost.enter

    def seen(host: LaneHost, lane: Lane, *args: Any, **more: Any) -> Any:
        places[lane.key] = enter(host, lane, *args, **more)
        return places[lane.key]

    monkeypatch.setattr(LaneHost, "enter", seen)
    together = run_together(host, {key: trials[key] for key in "bcf"}, cache)
    for key in "bcf":
        assert_same_lane(together[key], alone[key], TOLERANCE)
    assert any("cannot be stacked: vmap: data-dependent" in note for note in places["c"].notes)


def test_a_broken_host_fails_its_trials_instead_of_letting_them_wait(
    host: LaneHost, trials: dict[str, Trial], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(pool: pools.Pool, chosen: Any) -> Any:
        raise RuntimeError("no seats")

    monkeypatch.setattr(pools.Pool, "_seat", broken)
    assert all(isinstance(result, RuntimeError) for result in run_together(host, trials, cache).values())


def test_a_trial_that_waits_for_a_lane_can_be_given_up(
    trials: dict[str, Trial], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, begun, release = Program.train, threading.Event(), threading.Event()

    def held(program: Program, epochs: Any, rates: Any) -> Any:
        begun.set()
        assert release.wait(20)
        return train(program, epochs, rates)

    monkeypatch.setattr(Program, "train", held)
    host = LaneHost(1)
    first, second = (Session(key, trials[key], cache, host=host) for key in "ab")
    thread = threading.Thread(target=first.advance)
    thread.start()
    assert begun.wait(20)
    assert second.advance(given_up=lambda: True) == {}
    release.set()
    thread.join(20)
    host.close()
    assert (first.epoch, second.epoch) == (1, 0)


def test_a_trial_that_is_stopped_lets_its_lane_go_and_keeps_what_it_was(
    host: LaneHost, trials: dict[str, Trial], cache: Path
) -> None:
    session = Session("a", trials["a"], cache, host=host)
    session.advance()
    session.leave()
    state = session.place.save()
    assert state.epoch == 1
    assert state.last
    assert session.advance() == {}


def test_a_lane_is_saved_in_company_and_goes_on_alone(
    host: LaneHost, trials: dict[str, Trial], alone: dict[str, LaneState], cache: Path, tmp_path: Path
) -> None:
    sessions = {key: Session(key, trials[key], cache, tmp_path / key, host=host) for key in "abc"}
    threads = [threading.Thread(target=session.advance) for session in sessions.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    sessions["c"].save()
    resumed = Session("c", trials["c"], cache, tmp_path / "c")
    assert resumed.epoch == 1
    assert_same_lane(run(resumed), alone["c"], TOLERANCE)


def test_a_trial_that_diverges_ends_and_the_others_go_on(
    host: LaneHost, make_trial: Callable[..., Trial], trials: dict[str, Trial], alone: dict[str, LaneState], cache: Path
) -> None:
    wild = make_trial("ce", hyperparameters={}, model="mlp", precision="float64", epochs=4, optimizer={"lr": 1e200})
    together = run_together(host, {"wild": wild, **{key: trials[key] for key in "abc"}}, cache)
    assert together["wild"].epoch < 4
    assert not math.isfinite(together["wild"].history[-1]["train_loss"])
    for key in "abc":
        assert_same_lane(together[key], alone[key], TOLERANCE)


def test_trials_of_two_signatures_take_turns(
    host: LaneHost, make_trial: Callable[..., Trial], trials: dict[str, Trial], alone: dict[str, LaneState], cache: Path
) -> None:
    other = make_trial("ce", hyperparameters={}, model="small_cnn", precision="float64", epochs=2)
    together = run_together(host, {"other": other, "a": trials["a"], "b": trials["b"]}, cache)
    assert together["other"].epoch == 2
    assert len(host.pools) <= 2
    for key in "ab":
        assert_same_lane(together[key], alone[key], TOLERANCE)


def test_a_trial_alone_shares_no_array_and_is_marked_while_it_trains(
    trials: dict[str, Trial], alone: dict[str, LaneState], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker, seen = tmp_path / "marker", []
    advance = LaneArray.advance

    def looked(array: LaneArray) -> Any:
        seen.append((tuple(array.keys), marker.read_text() if marker.exists() else ""))
        return advance(array)

    monkeypatch.setattr(LaneArray, "advance", looked)
    host = LaneHost(4, marker=marker)
    suspect = Session("a", trials["a"], cache, host=host, alone=True)
    other = Session("b", trials["b"], cache, host=host)
    threads = [threading.Thread(target=run, args=(session,)) for session in (suspect, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    host.close()
    assert set(seen) == {(("a",), "a"), (("b",), "")}
    assert_same_lane(suspect.place.save(), alone["a"], TOLERANCE)


def test_the_width_doubles_while_that_pays() -> None:
    width, pace = Width(64, found=True), {8: 1.0, 16: 0.7, 32: 0.69, 64: 0.1}
    tried = []
    for _ in range(12):
        lanes = width.now(100)
        tried.append(lanes)
        width.took(lanes, pace[lanes] * lanes)
    assert tried[: 3 * EPOCHS] == [FIRST] * EPOCHS + [16] * EPOCHS + [32] * EPOCHS
    assert set(tried[3 * EPOCHS :]) == {16}


@pytest.mark.parametrize("most", [3, 8, 16, 20])
def test_the_width_that_pays_is_never_more_than_the_most(most: int) -> None:
    width, tried = Width(most, found=True), []
    for _ in range(10):
        tried.append(width.now(100))
        width.took(tried[-1], 1.0)  # the more lanes, the less each takes
    assert tried[-1] == max(tried) == most


def test_the_width_is_never_more_than_fits_or_than_is_wanted() -> None:
    width = Width(8, found=False)
    assert width.now(3) == 3
    assert width.now(50) == 8
    width.too_many(8)
    assert width.now(50) == 4
    width.too_many(1)
    assert width.now(50) == 1
