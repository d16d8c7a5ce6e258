"""Every family in company: after 50 steps, alone or among 1, 7 and 31 others, a lane is the same to 1e-8 in float64."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from tests.trainables.lanes import assert_same_lane, train_lanes
from trainables.data.task import TaskData
from trainables.engine.lane import Lane, LaneState
from trainables.engine.lanes import LaneArray
from trainables.engine.session import make_lane
from trainables.losses import FAMILIES
from trainables.trial import Trial

LaneAndTrial = tuple[Lane, Trial]
STEPS_OF_50 = 23  # images a batch: 1,150 training images make 50 steps an epoch
TOLERANCE = 1e-8
TOGETHER = [name for name, family in FAMILIES.items() if not family.attaches_modules]
ATTACHED = [name for name, family in FAMILIES.items() if family.attaches_modules]
SOONER = {"forward": {"warmup": 1}}  # than an epoch, so that it is seen at work


@pytest.fixture(scope="module", params=["mlp", "small_cnn"])
def lanes(
    request: pytest.FixtureRequest,
    make_trial: Callable[..., Trial],
    digits_with_noise: Callable[[float, int], TaskData],
) -> dict[str, LaneAndTrial]:
    """32 lanes: every family that attaches nothing, some twice, each with its own rate, decay, clipping and noise."""
    made = {}
    for i in range(32):
        family = TOGETHER[i % len(TOGETHER)]
        trial = make_trial(
            family, hyperparameters=SOONER.get(family), model=request.param, epochs=1, seed=i,
            optimizer={"lr": 0.01 * (1 + i % 5), "momentum": 0.9 - 0.02 * (i % 7), "weight_decay": 1e-4 * (i % 3)},
            clip_norm=1.0 if i % 4 == 0 else None,
        )  # fmt: skip
        trial["training"]["batch_size"] = STEPS_OF_50
        key = f"{family} {i}"
        made[key] = make_lane(key, trial, digits_with_noise(0.2 * (i % 3), i % 4)), trial
    return made


@pytest.fixture(scope="module")
def alone(lanes: dict[str, LaneAndTrial], make_array: Callable[..., LaneArray]) -> dict[str, LaneState]:
    return train_lanes(make_array, 1, [], groups=[[lane] for lane in lanes.values()])


@pytest.mark.parametrize("others", [1, 7, 31])
def test_a_lane_among_others_in_any_order_equals_itself_alone(
    others: int,
    lanes: dict[str, LaneAndTrial],
    alone: dict[str, LaneState],
    make_array: Callable[..., LaneArray],
) -> None:
    shuffled = list(lanes.values())
    random.Random(others).shuffle(shuffled)
    groups = [shuffled[i : i + others + 1] for i in range(0, len(shuffled), others + 1)]
    together = train_lanes(make_array, 1, [], groups=groups)
    assert together.keys() == alone.keys()
    for key, state in alone.items():
        assert_same_lane(together[key], state, TOLERANCE)


@pytest.mark.parametrize("network", ["mlp", "small_cnn"])
@pytest.mark.parametrize("family", ATTACHED)
def test_a_lane_with_attached_modules_among_others_equals_itself_alone(
    family: str, network: str, make_trial: Callable[..., Trial], digits: TaskData
) -> None:
    def lane(i: int) -> LaneAndTrial:
        slow = {"lr": 0.001}  # weights of a trial that diverges are large, and 1e-8 of them is little
        block = {"mlp": "2", "small_cnn": "conv1"}[network]
        hyperparameters: dict[str, Any] = {"modules": block, "xi": 0.1 * (1 + i % 5)}
        trial = make_trial(family, hyperparameters=hyperparameters, model=network, epochs=1, seed=i, optimizer=slow)
        trial["training"]["batch_size"] = STEPS_OF_50
        return make_lane(f"{family} {i}", trial, digits), trial

    lanes = [lane(i) for i in range(8)]

    def array(*group: LaneAndTrial) -> LaneArray:
        trial = group[0][1]
        made = LaneArray(digits, trial["model"], trial["training"], modules=group[0][0].modules)
        for each, _ in group:
            made.add(each)
        return made

    alone = train_lanes(array, 1, [], groups=[[each] for each in lanes])
    for groups in ([lanes[:2], lanes[2:4], lanes[4:6], lanes[6:]], [lanes[::-1]]):
        together = train_lanes(array, 1, [], groups=groups)
        for key, state in alone.items():
            assert_same_lane(together[key], state, TOLERANCE)


@pytest.mark.slow  # a quarter of a minute, of numbers that hardly change
def test_final_accuracies_of_twenty_seeds_are_equivalent_in_float32(
    make_trial: Callable[..., Trial], digits_with_noise: Callable[[float, int], TaskData],
    make_array: Callable[..., LaneArray],
) -> None:  # fmt: skip
    """Two one-sided paired tests: alone and in lanes the means lie within a point of one another, at 5 %."""
    epochs, margin = 10, 0.01
    lanes = []
    for seed in range(20):
        trial = make_trial("ce", model="small_cnn", precision="float32", epochs=epochs, seed=seed)
        lanes.append((make_lane(f"{seed}", trial, digits_with_noise(0.4, seed)), trial))
    alone = train_lanes(make_array, epochs, [], groups=[[lane] for lane in lanes])
    together = train_lanes(make_array, epochs, lanes)
    ours, expected = (
        [states[key].history[-1]["val_accuracy_clean"] for key in sorted(alone)] for states in (together, alone)
    )
    difference = np.subtract(ours, expected)
    difference[0] += 1e-9  # where all agree, a test has no variance to go by
    below, above = (
        ttest_1samp(difference, -margin, alternative="greater"),
        ttest_1samp(difference, margin, alternative="less"),
    )
    assert max(below.pvalue, above.pvalue) < 0.05
