"""A lane's augmentation does not depend on its neighbours, on an interruption or on the batch size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainables.lanes import assert_same_lane, train_lanes
from trainables.augmentation import make_augmentation
from trainables.data.task import TaskData
from trainables.engine.augmenting import LaneAugmentation
from trainables.engine.checkpoint import read_checkpoint, write_checkpoint
from trainables.engine.lane import Lane, LaneState
from trainables.engine.lanes import LaneArray
from trainables.engine.session import make_lane
from trainables.losses.ce import CrossEntropy
from trainables.normalisation import complete_normalisation
from trainables.seeds import derive_seed
from trainables.trial import Trial

LaneAndTrial = tuple[Lane, Trial]
EPOCHS = 2
SHIFT = {"name": "shift", "pixels": 1, "padding": "zeros"}
LISTS: list[list[Any]] = [
    [SHIFT, "mirror"],
    [],
    ["crop", {"name": "cutout", "pixels": 3}],
    [SHIFT, "mirror"],
    [{"name": "rotation", "degrees": 20}],
]


@pytest.fixture(scope="module")
def lanes(make_trial: Callable[..., Trial], digits: TaskData) -> Callable[..., list[LaneAndTrial]]:
    """Lanes a to e, each with its own list; two share one."""

    def make(normalise: str = "channel", lists: list[list[Any]] = LISTS, **changes: Any) -> list[LaneAndTrial]:
        made = []
        for i, augment in enumerate(lists):
            trial = make_trial(seed=i, epochs=EPOCHS)
            trial["training"] |= {"augment": augment, "normalise": complete_normalisation(normalise)} | changes
            made.append((make_lane("abcdefgh"[i], trial, digits), trial))
        return made

    return make


def alone(make_array: Callable[..., LaneArray], lanes: list[LaneAndTrial]) -> dict[str, LaneState]:
    return train_lanes(make_array, EPOCHS, lanes, groups=[[lane] for lane in lanes])


@pytest.mark.parametrize("normalise", ["channel", "pixel", "gcn", "zca", "none"])
def test_lanes_of_different_augmentation_equal_lanes_alone(
    normalise: str, lanes: Callable[..., list[LaneAndTrial]], make_array: Callable[..., LaneArray]
) -> None:
    five = lanes(normalise)
    expected = alone(make_array, five)
    for order in (five, five[::-1], [five[i] for i in (2, 0, 4, 1, 3)]):
        for key, state in train_lanes(make_array, EPOCHS, order).items():
            assert_same_lane(state, expected[key], 1e-12)
    assert len({state.history[-1]["train_loss"] for state in expected.values()}) == 5


def seen(array: LaneArray, epochs: int = 1) -> dict[str, list[Tensor]]:
    """What each lane's network is given in training, epoch by epoch, in the order of the epoch."""
    batches: list[Tensor] = []
    forward = array.program.networks.forward
    array.program.networks.forward = lambda images: batches.append(images.clone()) or forward(images)
    result: dict[str, list[Tensor]] = {key: [] for key in array.keys}
    for _ in range(epochs):
        batches.clear()
        array.advance()
        whole = torch.cat(batches, dim=1)
        for row, key in enumerate(array.keys):
            result[key].append(whole[row])
    return result


@pytest.mark.parametrize("normalise", ["channel", "zca"])
def test_what_a_lane_sees_is_the_same_alone_and_among_others_to_the_bit(
    normalise: str, lanes: Callable[..., list[LaneAndTrial]], make_array: Callable[..., LaneArray]
) -> None:
    for precision in ("float32", "float64"):
        five = lanes(normalise, precision=precision)
        together = seen(make_array(*five), epochs=2)
        for lane in five:
            for ours, theirs in zip(seen(make_array(lane), epochs=2)[lane[0].key], together[lane[0].key], strict=True):
                assert torch.equal(ours, theirs)


def test_what_a_lane_sees_does_not_depend_on_the_batch_size(
    lanes: Callable[..., list[LaneAndTrial]], make_array: Callable[..., LaneArray]
) -> None:
    small, large = (seen(make_array(*lanes(batch_size=size))) for size in (17, 400))
    for key in small:
        assert torch.equal(small[key][0], large[key][0])


def test_what_a_lane_sees_is_its_list_applied_to_its_order(
    lanes: Callable[..., list[LaneAndTrial]], make_array: Callable[..., LaneArray], digits: TaskData
) -> None:
    (lane, _), count = lanes()[0], len(digits.train_index)
    images = torch.tensor(digits.pool.images)[torch.tensor(digits.train_index)]
    mean, deviation = (float(values[0]) * 255 for values in digits.pixel_statistics)
    for epoch, found in enumerate(seen(make_array((lane, lanes()[0][1])), epochs=2)["a"]):
        order = torch.randperm(count, generator=torch.Generator().manual_seed(derive_seed(lane.order_seed, epoch)))
        stream, expected = torch.Generator().manual_seed(derive_seed(300, epoch)), images[order]
        for described in LISTS[0]:
            augmentation = make_augmentation(described, (1, 8, 8))
            expected = augmentation.apply(expected, augmentation.draw(count, stream))
        torch.testing.assert_close(found, (expected.double() - mean) / deviation, rtol=0, atol=1e-12)


def test_epochs_and_repeats_draw_anew(
    lanes: Callable[..., list[LaneAndTrial]], make_array: Callable[..., LaneArray]
) -> None:
    program = make_array(*lanes(lists=[[SHIFT], [SHIFT]])).program
    draws = []
    for epochs in ([0, 0], [1, 1]):
        program.augmentation.begin(epochs, 100)
        draws += list(program.augmentation.groups[0].draws[0])
    assert all(not torch.equal(one, other) for one, other in pairwise(draws))


@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_lanes_go_on_from_a_checkpoint_bit_for_bit(
    lanes: Callable[..., list[LaneAndTrial]],
    make_array: Callable[..., LaneArray],
    digits: TaskData,
    tmp_path: Path,
    width: int,
    precision: str,
) -> None:
    group = lanes("gcn", precision=precision)[:width]
    undisturbed = train_lanes(make_array, EPOCHS, group)
    before = make_array(*group)
    before.advance()
    after = LaneArray(digits, group[0][1]["model"], group[0][1]["training"])
    for lane, _ in group:
        write_checkpoint(tmp_path / lane.key, lane.key, before.save(lane.key))
        after.add(lane, read_checkpoint(tmp_path / lane.key, lane.key).state)
    after.advance()
    for key, state in undisturbed.items():
        assert_same_lane(after.save(key), state, 0)


def test_a_trial_that_mentions_neither_has_none_and_channel_statistics(
    lanes: Callable[..., list[LaneAndTrial]], make_array: Callable[..., LaneArray]
) -> None:
    plain = lanes(lists=[[]])[0]
    training = {k: v for k, v in plain[0].training.items() if k not in ("augment", "normalise")}
    trial = plain[1] | {"training": training}
    former = (dataclasses.replace(plain[0], training=training), trial)
    ours, theirs = (train_lanes(make_array, EPOCHS, [lane])["a"] for lane in (plain, former))
    assert_same_lane(ours, theirs, 0)


class Watching(CrossEntropy):
    """Cross entropy that keeps the outputs that it is shown."""

    def observes(self, epoch: int) -> bool:
        return True

    def end_epoch(self, epoch: int, logits: Tensor, targets: Tensor) -> None:
        SHOWN.append(logits)


SHOWN: list[Tensor] = []


@pytest.mark.parametrize("normalise", ["channel", "zca"])
def test_a_loss_that_watches_sees_the_training_images_without_augmentation(
    normalise: str, lanes: Callable[..., list[LaneAndTrial]], make_array: Callable[..., LaneArray], digits: TaskData
) -> None:
    lane, trial = lanes(normalise)[0]
    array = make_array((dataclasses.replace(lane, loss=Watching(num_classes=10)), trial))
    SHOWN.clear()
    array.advance()
    images = array.data.normalisation(torch.tensor(digits.pool.images[digits.train_index]))
    expected = array.program.networks.evaluate(images)[0]
    torch.testing.assert_close(SHOWN[0], expected, rtol=0, atol=1e-5 if normalise == "zca" else 1e-12)


def test_groups_are_the_lists(lanes: Callable[..., list[LaneAndTrial]]) -> None:
    augmentation = LaneAugmentation([lane for lane, _ in lanes()], (1, 8, 8), torch.device("cpu"))
    assert [group.members for group in augmentation.groups] == [[0, 3], [2], [4]]
