"""A step that is captured and replayed trains what single steps train. There is no GPU here: the capture is played."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from trainables.engine import program as program_module
from trainables.engine.graphs import SWITCH, WARM_UP, Eager, Graphed, Step, make_steps
from trainables.engine.lane import LaneState
from trainables.engine.lanes import LaneArray

FULL_BATCHES = 17  # of 64 of the 1,150 images of digits; the last one is smaller


def assert_equal(ours: LaneState, expected: LaneState) -> None:
    assert ours.last.keys() == expected.last.keys()
    for name, tensor in expected.last.items():
        assert torch.equal(ours.last[name], tensor), name


class Played:
    """In the place of CUDA: a capture changes nothing, a replay runs the step on the captured tensors alone."""

    def __init__(self, problem: str = "") -> None:
        self.problem, self.captures, self.replays, self.beside = problem, 0, 0, 0

    def capture(self, step: Step, inputs: Sequence[Tensor]) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        self.captures += 1
        if self.problem:
            raise RuntimeError(self.problem)
        losses, logits = inputs[2].new_empty(len(inputs[0])), inputs[2].new_empty(*inputs[0].shape, 10)
        outputs = losses, logits
        method = weakref.WeakMethod(step)  # a graph holds no program

        def replay() -> None:
            self.replays += 1
            again = method()
            assert again is not None
            for ours, found in zip(outputs, again(*inputs), strict=True):
                ours.copy_(found)

        return replay, outputs

    def on_side(self, step: Step, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        self.beside += 1
        return step(*inputs)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Played]:
    """Have every program made from now on capture its steps."""

    def begin(problem: str = "") -> Played:
        played = Played(problem)
        monkeypatch.setattr(program_module, "make_steps", lambda device: Graphed(played.capture, played.on_side))
        return played

    return begin


@pytest.fixture
def lanes(make_trial: Callable[..., Any], lane_of: Callable[..., Any]) -> list[Any]:
    """Of several families, one of which learns, one of them clipped."""
    trials = [
        make_trial("tce", hyperparameters={"alpha": 0.7}, model="small_cnn", seed=1),
        make_trial("sg_mcel", model="small_cnn", seed=2),
        make_trial("ce", model="small_cnn", seed=3, clip_norm=1.0),
    ]
    return [lane_of(str(number), trial) for number, trial in enumerate(trials)]


def trained(make_array: Callable[..., LaneArray], lanes: list[Any]) -> dict[str, LaneState]:
    """Two epochs of all lanes, one of all but the first."""
    array = make_array(*lanes)
    array.advance()
    array.advance()
    first = array.keys[0]
    states = {first: array.save(first)}
    array.remove(first)
    array.advance()
    return states | {key: array.save(key) for key in array.keys}


def test_replayed_steps_train_the_same_and_are_captured_anew_when_a_lane_leaves(
    make_array: Callable[..., LaneArray], lanes: list[Any], play: Callable[..., Played]
) -> None:
    expected = trained(make_array, lanes)
    played = play()
    found = trained(make_array, lanes)
    assert (played.captures, played.beside) == (2, 2 * WARM_UP)
    assert played.replays == 3 * FULL_BATCHES - 2 * WARM_UP
    assert found.keys() == expected.keys()
    for key, state in expected.items():
        assert_equal(found[key], state)
        assert [m["train_loss"] for m in found[key].history] == [m["train_loss"] for m in state.history]


def test_where_a_capture_fails_steps_run_by_themselves_and_the_log_says_why_once(
    make_array: Callable[..., LaneArray],
    lanes: list[Any],
    play: Callable[..., Played],
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = trained(make_array, lanes[:2])
    played = play("operation not permitted when stream is capturing")
    with caplog.at_level(logging.WARNING):
        found = trained(make_array, lanes[:2])
    assert (played.captures, played.replays) == (2, 0)  # once for each program
    assert [record.message for record in caplog.records] == [
        "training without a CUDA graph, which could not be captured: operation not permitted when stream is capturing"
    ] * 2
    for key, state in expected.items():
        assert_equal(found[key], state)


def test_a_program_and_its_graph_go_as_soon_as_a_lane_leaves(
    make_array: Callable[..., LaneArray], lanes: list[Any], play: Callable[..., Played]
) -> None:
    play()
    array = make_array(*lanes)
    array.advance()
    graph = weakref.ref(array.program.steps)
    gc.disable()
    try:
        array.remove(array.keys[0])
        assert graph() is None
    finally:
        gc.enable()


def test_only_nvidia_gpus_have_graphs_and_only_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_steps(torch.device("cuda")), Eager)
    monkeypatch.setenv(SWITCH, "1")
    assert isinstance(make_steps(torch.device("cuda")), Graphed)
    assert isinstance(make_steps(torch.device("cpu")), Eager)
