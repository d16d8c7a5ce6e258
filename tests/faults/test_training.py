"""What goes wrong inside training: numbers, code, memory, time."""

from __future__ import annotations

import html
import math
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from study.records.environment import usable_cpus
from tests.faults.conftest import ROUNDING, Disturbed, hosts, trains, wait_until
from tests.faults.table import Row, keep
from trainables.data.task import TaskData, load_task
from trainables.engine.lane import LaneState
from trainables.engine.lanes import LaneArray
from trainables.engine.session import make_lane
from trainables.losses.base import Loss
from trainables.losses.ce import CrossEntropy
from trainables.trial import plain_trial

GROUP = "Training"
TIMEOUT_S = 20
HANGING = f"resources.timeout_s={TIMEOUT_S}"
CLEAN_TRIALS = 6  # of the study without noise: (1 + 2 configs) x 2 repeats
CLEAN = ("noise.rate=0", "resources.retries=1")
ONE_HOST = f"resources.cpus={0.75 * usable_cpus()}"
BESIDE_IT = '''\
"""Losses and a network that go wrong in their fourth epoch, and from then on in every process."""

import itertools
import os
import threading
import time
from pathlib import Path

import torch
from torch import nn

from trainables.losses.ce import CrossEntropy

CALLS = itertools.count()
MARK = Path(__file__).with_name("gone_wrong")
LATE = 60  # calls, some of them in validation
TOO_MUCH = 10**15  # numbers: four million gigabytes


def goes_wrong():
    if next(CALLS) == LATE:
        MARK.touch()
    return MARK.exists() and torch.is_grad_enabled()


class Late(CrossEntropy):
    def per_sample(self, logits, targets, indices):
        losses = super().per_sample(logits, targets, indices)
        return self.wrong(losses) if goes_wrong() else losses


class NotANumber(Late):
    def wrong(self, losses):
        return losses * float("nan")


class Infinite(Late):
    def wrong(self, losses):
        return losses + float("inf")


class Raises(Late):
    def wrong(self, losses):
        raise KeyError("a class without a weight")


class Hangs(Late):
    def wrong(self, losses):
        time.sleep(10_000)


class Dies(Late):
    def wrong(self, losses):
        os.kill(os.getpid(), 9)


class Devours(Late):
    def wrong(self, losses):
        return losses + torch.empty(TOO_MUCH)[0]


class Hungry(nn.Module):
    def __init__(self, image_shape, num_classes):
        super().__init__()
        self.linear = nn.Linear(image_shape[0] * image_shape[1] * image_shape[2], num_classes)

    def forward(self, images):
        if goes_wrong():
            torch.empty(TOO_MUCH)
        return self.linear(images.flatten(1))
'''
pytestmark = pytest.mark.timeout(900)
slow = pytest.mark.slow
lanes = pytest.mark.parametrize("lanes", [1, 4])


@pytest.fixture
def beside(disturbed: Disturbed) -> Callable[..., Disturbed]:
    """The study without noise, all of whose configs train at once in lanes; a family or model of it goes wrong."""

    def make(lanes: int, *changes: str) -> Disturbed:
        (disturbed.place.root / "beside_it.py").write_text(BESIDE_IT)
        width = (ONE_HOST, f"resources.lanes={lanes}") if lanes > 1 else ()
        return replace(disturbed, options=tuple(p for change in (*CLEAN, *width, *changes) for p in ("--set", change)))

    return make


def with_loss(name: str) -> str:
    """The study's families and one more."""
    return f'families=[ce, {{family: tce, space: {{alpha: {{grid: [0.5, 1.5]}}}}}}, {{family: "beside_it:{name}"}}]'


def assert_told(disturbed: Disturbed, state: str, says: str) -> str:
    """One trial ended in `state`: its reason, which says so in status, MLflow and the report."""
    place = disturbed.place
    ((key, reason),) = place.rows(f"select trial_key, reason from trials where state = '{state}'")
    assert says in reason
    assert place.json("status", "tiny")["failures"] == [{"trial": key, "state": state, "reason": reason}]
    shown = place.mlflow(
        "select reason.value, state.value from tags key join tags reason using (run_uuid) join tags state "
        f"using (run_uuid) where key.key = 'study.key' and key.value = '{key}' and reason.key = 'study.reason' "
        "and state.key = 'study.state'"
    )
    assert shown == [(reason, state)]
    page = Path(place.json("report", "tiny")["report"]).read_text(encoding="utf-8")
    assert reason in html.unescape(page)
    return reason


def run(disturbed: Disturbed, state: str, says: str, *, retried: bool = True, completed: int = CLEAN_TRIALS) -> str:
    """Launch it to its end, in which one trial ends in `state` and all others are like the twin's; the reason."""
    disturbed.launch_to_the_end(expect=1 if state == "failed" else 0)
    disturbed.struck_at.append((disturbed.place.root / "gone_wrong").stat().st_mtime)
    within = ROUNDING if ONE_HOST in disturbed.options else 0.0
    disturbed.assert_like_calm(within=within, states={"completed": completed, state: 1})
    ((key,),) = disturbed.place.rows(f"select trial_key from trials where state = '{state}'")
    own = disturbed.place.rows(f"select count(*) from events where kind = 'retried' and trial_key = '{key}'")
    assert (own[0][0] >= 1) == retried
    return assert_told(disturbed, state, says)


def among(lanes: int) -> str:
    """Where it trained, in words."""
    return "in one lane of four" if lanes > 1 else "in a trial of its own"


def others(lanes: int) -> str:
    """What became of the other trials, in words."""
    return "the others' losses are within 0.1 %" if lanes > 1 else "the others are the same to the bit"


def tried_again(lanes: int) -> str:
    """Which trials of a process that ended were, in words."""
    return (
        "all four trials of the process are tried again, that one alone" if lanes > 1 else "that trial is tried again"
    )


@slow
@lanes
@pytest.mark.parametrize(("loss", "called"), [("NotANumber", "NaN"), ("Infinite", "infinity")])
def test_a_loss_that_is_no_number_ends_its_trial_and_no_other(
    loss: str, called: str, lanes: int, beside: Callable[..., Disturbed]
) -> None:
    disturbed = beside(lanes, with_loss(loss))
    run(disturbed, "diverged", "the loss was not a finite number after epoch", retried=False)
    assert disturbed.again() == 0
    disturbed.keep(
        GROUP, f"{called} as the loss, {among(lanes)}", f"that trial ends as diverged; {others(lanes)}",
        recovered=False,
    )  # fmt: skip


@slow
@lanes
def test_a_loss_that_raises_fails_its_trial_and_no_other(lanes: int, beside: Callable[..., Disturbed]) -> None:
    disturbed = beside(lanes, with_loss("Raises"))
    run(disturbed, "failed", "KeyError: 'a class without a weight'")
    assert len(disturbed.events("retried")) == 1
    disturbed.keep(
        GROUP, f"a user's loss that raises, {among(lanes)}",
        f"that trial is tried again and then given up, the reason is the error; {others(lanes)}", recovered=False,
    )  # fmt: skip


@slow
@lanes
def test_a_loss_that_runs_out_of_memory_fails_its_trial_and_no_other(
    lanes: int, beside: Callable[..., Disturbed]
) -> None:
    disturbed = beside(lanes, with_loss("Devours"))
    run(disturbed, "failed", "can't allocate memory")
    narrower = "the lanes are halved until it trains alone; it" if lanes > 1 else "it"
    disturbed.keep(
        GROUP, f"a loss that asks for more memory than there is, {among(lanes)}",
        f"{narrower} is tried again and then given up, the reason is the error; {others(lanes)}", recovered=False,
    )  # fmt: skip


@slow
@lanes
def test_a_model_that_runs_out_of_memory_fails_its_trial_and_no_other(
    lanes: int, beside: Callable[..., Disturbed]
) -> None:
    disturbed = beside(lanes, "families=[ce]", 'model=[{name: mlp, hidden: 16}, "beside_it:Hungry"]')
    run(disturbed, "failed", "can't allocate memory", completed=2)
    where = "beside the lanes of another" if lanes > 1 else "in a trial of its own"
    disturbed.keep(
        GROUP, f"a model that asks for more memory than there is, {where}",
        f"that trial is tried again and then given up, the reason is the error; {others(lanes)}", recovered=False,
    )  # fmt: skip


@slow
@lanes
def test_a_trial_that_kills_its_process_is_tried_again_alone_and_given_up(
    lanes: int, beside: Callable[..., Disturbed]
) -> None:
    """As the kernel does with a process that takes too much memory."""
    disturbed = beside(lanes, with_loss("Dies"))
    run(disturbed, "failed", "its worker process died")
    disturbed.keep(
        GROUP, f"a trial whose process is killed whenever it trains, {among(lanes)}",
        f"{tried_again(lanes)}, and then given up; {others(lanes)}", recovered=lanes > 1,
    )  # fmt: skip


@slow
@lanes
def test_a_trial_that_hangs_is_tried_again_alone_and_given_up(lanes: int, beside: Callable[..., Disturbed]) -> None:
    disturbed = beside(lanes, with_loss("Hangs"), HANGING)
    reason = run(disturbed, "failed", "it hung in beside_it.py, line ")
    assert reason.startswith(f"no epoch came for {TIMEOUT_S} s (resources.timeout_s)")
    assert not list(disturbed.place.root.rglob("*.hang"))
    disturbed.keep(
        GROUP, f"a trial that hangs, {among(lanes)} (`timeout_s: {TIMEOUT_S}`)",
        f"its process is ended; {tried_again(lanes)}, and then given up; the reason names file and line; "
        f"{others(lanes)}", recovered=lanes > 1,
    )  # fmt: skip


@slow
@lanes
def test_a_process_that_is_stopped_is_ended_and_its_trials_go_on(lanes: int, disturbed: Disturbed) -> None:
    changes = (f"resources.lanes={lanes}", HANGING)
    disturbed = replace(disturbed, options=tuple(p for change in changes for p in ("--set", change)))
    running = disturbed.launch_until(lambda: disturbed.under_way() >= min(lanes, 2))
    training = hosts if lanes > 1 else trains
    wait_until(lambda: training(running))
    os.kill(training(running)[0].pid, signal.SIGSTOP)
    disturbed.strike()
    said, problems = running.communicate(timeout=400)
    assert running.returncode == 0, said + problems
    disturbed.assert_like_calm(within=ROUNDING if lanes > 1 else 0.0)
    (reason,) = set(disturbed.events("retried"))
    assert reason.startswith(f"no epoch came for {TIMEOUT_S} s (resources.timeout_s)")
    assert "stopped" in reason
    whose = "a host of four lanes" if lanes > 1 else "the process of a trial"
    disturbed.keep(
        GROUP, f"{whose} is stopped (SIGSTOP, `timeout_s: {TIMEOUT_S}`)",
        f"it is ended, and what it trained is tried again in another; {others(lanes)}",
    )  # fmt: skip


# -- to the bit -------------------------------------------------------------------------------------------------------

EPOCHS = 6
SICK_EPOCH = 3


class Sick(CrossEntropy):
    """Cross entropy whose value is another once it is told so."""

    factor = 1.0

    def per_sample(self, logits: torch.Tensor, targets: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        return super().per_sample(logits, targets, indices) * Sick.factor


@pytest.fixture
def healthy() -> Iterator[None]:
    """One thread, for sums split over threads differ in their last bits; and no loss is sick afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    Sick.factor = 1.0


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("sickness", [math.nan, math.inf], ids=["NaN", "infinity"])
@pytest.mark.parametrize("sick", [0, 2, 3])
def test_a_lane_whose_loss_is_no_number_changes_no_bit_of_the_others(
    sick: int, sickness: float, tmp_path: Path
) -> None:
    trial = plain_trial("ce", {"model": "mlp", "epochs": EPOCHS})
    data = load_task(trial["dataset"], trial["split"], trial["noise"], tmp_path)
    beside_it, without = (_train(trial, data, sick, factor) for factor in (sickness, 1.0))
    assert not math.isfinite(beside_it[sick].history[-1]["train_loss"])
    assert len(beside_it[sick].history) == SICK_EPOCH
    for row in {0, 1, 2, 3} - {sick}:
        ours, theirs = beside_it[row], without[row]
        assert len(ours.history) == EPOCHS
        assert [each["train_loss"] for each in ours.history] == [each["train_loss"] for each in theirs.history]
        assert all(torch.equal(ours.last[name], theirs.last[name]) for name in theirs.last)
    word = "NaN" if math.isnan(sickness) else "infinity"
    if sick == 2:
        keep(
            Row(
                GROUP, f"{word} as the loss in one lane of four, against the same lane stopped at that epoch",
                "the other lanes' weights and losses are the same to the bit", 0, 0,
            )
        )  # fmt: skip


def _train(trial: dict[str, Any], data: TaskData, sick: int, factor: float) -> list[LaneState]:
    """Four lanes, one of which falls sick in an epoch and leaves after it."""
    array = LaneArray(data, trial["model"], trial["training"])
    for row in range(4):
        lane = make_lane(str(row), trial | {"seeds": {**trial["seeds"], "weights": row}}, data)
        loss: Loss = Sick(lane.loss.num_classes) if row == sick else lane.loss
        array.add(replace(lane, loss=loss))
    states: dict[str, LaneState] = {}
    for epoch in range(1, EPOCHS + 1):
        Sick.factor = factor if epoch >= SICK_EPOCH else 1.0
        array.advance()
        if epoch == SICK_EPOCH:
            states[str(sick)] = array.save(str(sick))
            array.remove(str(sick))
    states |= {key: array.save(key) for key in array.keys}
    return [states[str(row)] for row in range(4)]
