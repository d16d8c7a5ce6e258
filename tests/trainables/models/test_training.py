"""Every kind of network trains in the engine, alone and beside others, to the same numbers, and goes on bit for bit.

Three lanes of different families, learning rates and seeds, 200 digits of 16x16 pixels, float64.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from tests.trainables.lanes import assert_same_lane, part_of
from trainables.data.task import TaskData
from trainables.engine.checkpoint import read_checkpoint, write_checkpoint
from trainables.engine.checkpoint_files import network_weights
from trainables.engine.lane import Lane, LaneState
from trainables.engine.lanes import LaneArray
from trainables.engine.session import make_lane
from trainables.engine.stack import VectorizedStack
from trainables.models import make_model
from trainables.trial import Trial

EPOCHS = 2
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet": {"name": "resnet_cifar", "depth": 8, "width": 2},
    "resnet with projections": {"name": "resnet_cifar", "depth": 8, "width": 2, "shortcut": "B"},
    "preset": {"name": "resnet20", "width": 1},
    "preact_resnet": {"name": "preact_resnet", "k": 1, "width": 2},
    "three convolutions a block": {"name": "preact_resnet", "k": 1, "width": 2, "convolutions": 3, "widening": 2},
    "wide_resnet with dropout": {"name": "wide_resnet", "depth": 10, "width": 1, "dropout": 0.3},
    "vgg": {"name": "vgg", "depth": 8, "width": 2},
    "vgg without BatchNorm": {"name": "vgg", "depth": 8, "width": 2, "batch_norm": False},
    "lenet": {"name": "lenet"},
}
networks = pytest.mark.parametrize("network", list(NETWORKS))
Lanes = list[tuple[Lane, Trial]]


@pytest.fixture(scope="module")
def few(digits: TaskData) -> TaskData:
    images = digits.pool.images.repeat(2, axis=2).repeat(2, axis=3)
    return part_of(digits, 200, 100, images)


@pytest.fixture
def lanes_of(make_trial: Callable[..., Trial], few: TaskData) -> Callable[[dict[str, Any]], Lanes]:
    def make(model: dict[str, Any]) -> Lanes:
        families = {"a": "ce", "b": "tce", "c": "label_smoothing"}
        trials = {
            key: make_trial(family, epochs=EPOCHS, seed=place, optimizer={"lr": 0.02 * (place + 1)}) | {"model": model}
            for place, (key, family) in enumerate(families.items())
        }
        return [(make_lane(key, trial, few), trial) for key, trial in trials.items()]

    return make


def array_of(lanes: Lanes, data: TaskData, states: dict[str, LaneState] | None = None) -> LaneArray:
    trial = lanes[0][1]
    array = LaneArray(data, trial["model"], trial["training"])
    for lane, _ in lanes:
        array.add(lane, (states or {}).get(lane.key))
    return array


def trained(lanes: Lanes, data: TaskData) -> dict[str, LaneState]:
    array = array_of(lanes, data)
    for _ in range(EPOCHS):
        array.advance()
    return {key: array.save(key) for key in array.keys}


@networks
def test_three_lanes_equal_three_lone_ones_with_their_running_statistics(
    network: str, lanes_of: Callable[..., Lanes], few: TaskData
) -> None:
    lanes = lanes_of(NETWORKS[network])
    together = trained(lanes, few)
    for lane in lanes:
        assert_same_lane(together[lane[0].key], trained([lane], few)[lane[0].key], 1e-8)
    buffers = [name for name in together["a"].last if name.endswith("running_mean")]
    assert bool(buffers) == (network not in ("lenet", "vgg without BatchNorm"))
    for name in buffers:
        counted = together["a"].last[name.replace("running_mean", "num_batches_tracked")]
        assert int(counted) == EPOCHS * 4
        assert not torch.equal(together["a"].last[name], together["b"].last[name])


@networks
def test_lanes_train_all_their_weights(network: str, lanes_of: Callable[..., Lanes], few: TaskData) -> None:
    lanes = lanes_of(NETWORKS[network])
    array = array_of(lanes, few)
    assert isinstance(array.program.networks, VectorizedStack)
    before = array.bank.weights.clone()
    losses = [array.advance()["a"]["train_loss"] for _ in range(EPOCHS)]
    assert losses[-1] < losses[0]
    moved = array.bank.row(0).items()
    start = array.bank.layout.unpack(before[0])
    # A bias before BatchNorm, or behind a unit that never fires, may stand still; a whole tensor of weights may not.
    assert [name for name, now in moved if name in start and now.dim() > 1 and torch.equal(now, start[name])] == []


@pytest.mark.parametrize("network", ["resnet", "preact_resnet", "wide_resnet with dropout"])
@pytest.mark.parametrize("together", [False, True], ids=["alone", "beside others"])
def test_training_goes_on_from_a_checkpoint_bit_for_bit(
    network: str, together: bool, lanes_of: Callable[..., Lanes], few: TaskData, tmp_path: Path
) -> None:
    lanes = lanes_of(NETWORKS[network])[: 3 if together else 1]
    undisturbed = trained(lanes, few)
    first, restored = array_of(lanes, few), {}
    first.advance()
    for key in first.keys:
        write_checkpoint(tmp_path / key, key, first.save(key))
        restored[key] = read_checkpoint(tmp_path / key, key).state
    second = array_of(lanes, few, restored)
    torch.manual_seed(99)
    second.advance()
    for key, state in undisturbed.items():
        assert_same_lane(second.save(key), state, 0)


def test_kept_weights_load_into_the_network_and_give_the_validation_accuracy_that_was_reported(
    lanes_of: Callable[..., Lanes], few: TaskData, tmp_path: Path
) -> None:
    lanes = lanes_of(NETWORKS["resnet"])
    state = trained(lanes, few)["b"]
    write_checkpoint(tmp_path, "b", state)
    weights, epoch = network_weights(tmp_path, "best")
    net = make_model(**NETWORKS["resnet"], image_shape=(1, 16, 16), num_classes=10, seed=0).double()
    net.load_state_dict(load(weights))
    array = array_of(lanes, few)
    with torch.no_grad():
        predicted = torch.cat([net.eval()(images).argmax(1) for _, images in array.data.val_batches(64)])
    found = (predicted == torch.from_numpy(few.noisy_labels[few.val_index])).double().mean().item()
    assert found == pytest.approx(state.history[epoch - 1]["val_accuracy_noisy"])


@pytest.mark.parametrize("network", ["resnet", "preact_resnet", "vgg"])
def test_lanes_with_msls_modules_at_all_blocks_equal_lone_ones(
    network: str, make_trial: Callable[..., Trial], few: TaskData
) -> None:
    lanes = []
    for place, key in enumerate("abc"):
        trial = make_trial("msl", hyperparameters={"modules": "all"}, epochs=EPOCHS, seed=place)
        trial |= {"model": NETWORKS[network]}
        lanes.append((make_lane(key, trial, few), trial))

    def states(group: Lanes) -> dict[str, LaneState]:
        array = LaneArray(few, group[0][1]["model"], group[0][1]["training"], modules="all")
        for lane, _ in group:
            array.add(lane)
        for _ in range(EPOCHS):
            array.advance()
        return {key: array.save(key) for key in array.keys}

    together = states(lanes)
    assert sum(name.startswith("attached.") and name.endswith("weight") for name in together["a"].last) == 3
    for lane in lanes:
        assert_same_lane(together[lane[0].key], states([lane])[lane[0].key], 1e-8)


@pytest.mark.parametrize("name", ["torchvision.mobilenet_v3_small", "torchvision.efficientnet_b0"])
def test_torchvisions_networks_with_dropout_and_stochastic_depth_train_beside_others(
    name: str, lanes_of: Callable[..., Lanes], few: TaskData
) -> None:
    tiny = part_of(few, 32, 20)
    lanes = lanes_of({"name": name})[:2]
    lanes = [(make_lane(lane.key, trial, tiny), trial) for lane, trial in lanes]
    array = array_of(lanes, tiny)
    metrics = array.advance()
    alone = array_of(lanes[:1], tiny).advance()
    assert metrics["a"]["train_loss"] == pytest.approx(alone["a"]["train_loss"], rel=1e-9)
