"""Modules attached to a network's blocks: paired with the network alone, the same alone and stacked."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from trainables.data.task import TaskData
from trainables.engine.checkpoint import read_checkpoint, write_checkpoint
from trainables.engine.checkpoint_files import network_weights
from trainables.engine.lane import Lane, LaneState
from trainables.engine.lanes import LaneArray
from trainables.engine.network import make_network, num_modules
from trainables.engine.session import make_lane
from trainables.losses.base import Loss
from trainables.losses.ce import CrossEntropy
from trainables.models import make_model
from trainables.models.attached import attach, chosen_blocks
from trainables.trial import Trial

DIGITS = {"image_shape": (1, 8, 8), "num_classes": 10}
EPOCHS = 3


class MeanOfModules(Loss):
    """The mean over the modules of cross entropy, each weighted by a memory of its own, and a term per batch."""

    memory = ("weight",)

    def __init__(self, modules: int, decay: float) -> None:
        super().__init__(10)
        self.hyperparameter("decay", decay)
        self.register_buffer("weight", torch.ones(modules, dtype=torch.float64))

    def per_sample(self, logits: list[Tensor], targets: Tensor, indices: Tensor | None) -> Tensor:
        assert isinstance(logits, list)
        losses = torch.stack([F.cross_entropy(part, targets, reduction="none") for part in logits])
        if self.training:
            self.weight.mul_(1 - self.decay * (1 - losses.detach().mean(1).neg().exp()))
        return (self.weight[:, None] * losses).mean(0)

    def batch_term(self, logits: list[Tensor], targets: Tensor) -> Tensor:
        return 1e-3 * torch.stack([part.square().mean() for part in logits]).mean()

    def metrics(self) -> dict[str, Tensor]:
        return {"weight": self.weight.mean()}


class PlainMean(Loss):
    """Mean cross entropy of the logits, one tensor or a list of them."""

    def per_sample(self, logits: Tensor | list[Tensor], targets: Tensor, indices: Tensor | None) -> Tensor:
        parts = [logits] if isinstance(logits, Tensor) else logits
        return torch.stack([F.cross_entropy(part, targets, reduction="none") for part in parts]).mean(0)


@pytest.fixture(scope="module")
def lanes(
    make_trial: Callable[..., Trial], digits_with_noise: Callable[[float, int], TaskData]
) -> Callable[[str, str | list[str], int], list[Lane]]:
    def make(network: str, modules: str | list[str], count: int) -> list[Lane]:
        made = []
        for i in range(8):
            trial = make_trial(model=network, epochs=EPOCHS, seed=i, optimizer={"lr": 0.02 * (i + 1)})
            lane = make_lane("abcdefgh"[i], trial, digits_with_noise(0.2 * (i % 2), i % 4))
            made.append(dataclasses.replace(lane, loss=MeanOfModules(count, 0.001 * i), modules=modules))
        return made

    return make


@pytest.fixture
def new_array(digits: TaskData, make_trial: Callable[..., Trial]) -> Callable[..., LaneArray]:
    def make(network: str, lanes: list[Lane], modules: str | list[str] | None = "last") -> LaneArray:
        trial = make_trial(model=network)
        array = LaneArray(digits, trial["model"], trial["training"], modules=modules)
        for lane in lanes:
            array.add(lane)
        return array

    return make


def trained(array: LaneArray) -> dict[str, LaneState]:
    for _ in range(EPOCHS):
        array.advance()
    return {key: array.save(key) for key in array.keys}


def assert_same(ours: LaneState, expected: LaneState, tolerance: float) -> None:
    for found, wanted in ((ours.last, expected.last), (ours.best, expected.best)):
        assert found.keys() == wanted.keys()
        for name in wanted:
            torch.testing.assert_close(
                found[name], wanted[name], rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
            )
    for metrics, reference in zip(ours.history, expected.history, strict=True):
        for name in reference.keys() - {"seconds", "time", "lanes"}:
            assert metrics[name] == pytest.approx(reference[name], rel=0, abs=tolerance), name


# -- the network --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "modules", "blocks"),
    [
        ("small_cnn", {}, "last", ()),
        ("small_cnn", {}, "all", ("conv1",)),
        ("small_cnn", {}, ["conv2"], ()),
        ("small_cnn", {}, ["conv2", "conv1"], ("conv1",)),
        ("small_cnn", {}, ["hidden", "conv1"], ("conv1", "hidden")),
        ("mlp", {"depth": 3}, "all", ("2", "4")),
        ("mlp", {"depth": 3}, ["4"], ("4",)),
        ("mlp", {}, "all", ()),
    ],
)
def test_modules_sit_at_the_blocks_chosen_and_the_networks_own_head_is_the_last_blocks(
    name: str, arguments: dict[str, int], modules: str | list[str], blocks: tuple[str, ...]
) -> None:
    network = make_model(name, **DIGITS, seed=5, **arguments)
    assert chosen_blocks(network, modules) == blocks
    images = torch.rand(4, 1, 8, 8)
    attached = attach(copy.deepcopy(network), modules, **DIGITS, seed=5)
    outputs = attached(images)
    if not blocks:
        assert torch.equal(outputs, network(images))
        return
    assert [tuple(part.shape) for part in outputs] == [(4, 10)] * (len(blocks) + 1)
    assert torch.equal(outputs[-1], network(images))
    assert num_modules(attached, (1, 8, 8)) == len(blocks) + 1


def test_module_is_global_average_pooling_and_a_linear_layer() -> None:
    attached = attach(make_model("small_cnn", **DIGITS, seed=5), "all", **DIGITS, seed=5)
    images, head = torch.rand(4, 1, 8, 8), attached.attached[0]
    features = attached.network.conv1(images).mean((2, 3))
    torch.testing.assert_close(attached(images)[0], features @ head.weight.T + head.bias)


def test_network_keeps_its_weights_whatever_is_attached_and_a_module_its_own() -> None:
    plain = make_model("mlp", **DIGITS, seed=5, depth=3)
    one = attach(make_model("mlp", **DIGITS, seed=5, depth=3), ["4"], **DIGITS, seed=5)
    two = attach(make_model("mlp", **DIGITS, seed=5, depth=3), "all", **DIGITS, seed=5)
    other = attach(make_model("mlp", **DIGITS, seed=5, depth=3), ["4"], **DIGITS, seed=6)
    for attached in (one, two):
        assert all(torch.equal(t, attached.network.state_dict()[name]) for name, t in plain.state_dict().items())
    assert torch.equal(one.attached[0].weight, two.attached[1].weight)
    assert not torch.equal(one.attached[0].weight, other.attached[0].weight)
    assert not torch.equal(two.attached[0].weight, two.attached[1].weight)


def test_attaching_draws_nothing_from_the_global_generator_and_moves_no_running_statistics() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 10))
    before, state = torch.get_rng_state(), copy.deepcopy(network.state_dict())
    attached = attach(network, ["1"], **DIGITS, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(t, attached.network.state_dict()[name]) for name, t in state.items())
    assert attached.network.training


def test_copy_of_a_network_with_modules_is_independent_of_it() -> None:
    attached = attach(make_model("small_cnn", **DIGITS, seed=5), "all", **DIGITS, seed=5)
    images, twin = torch.rand(2, 1, 8, 8), copy.deepcopy(attached)
    expected = [part.detach() for part in attached(images)]
    with torch.no_grad():
        for parameter in attached.parameters():
            parameter.zero_()
    for ours, reference in zip(twin(images), expected, strict=True):
        torch.testing.assert_close(ours, reference)


def test_network_with_modules_is_vectorised_and_compiled() -> None:
    networks = [attach(make_model("small_cnn", **DIGITS, seed=s), "all", **DIGITS, seed=s) for s in (1, 2)]
    images = torch.rand(2, 4, 1, 8, 8)
    state = stack_module_state(networks)
    together = vmap(lambda p, b, x: functional_call(networks[0], (p, b), (x,)))(*state, images)
    compiled = torch.compile(networks[1], backend="eager", fullgraph=True)(images[1])
    for head in (0, 1):
        for lane, network in enumerate(networks):
            torch.testing.assert_close(together[head][lane], network(images[lane])[head])
        torch.testing.assert_close(compiled[head], together[head][1])


class Auxiliary(nn.Module):
    """A user's network that gives two logits by itself and states no blocks; `blocks` are its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Linear(64, 16), nn.ReLU())
        self.early, self.output = nn.Linear(64, 10), nn.Linear(16, 10)
        self.unused = nn.Linear(3, 3)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        flat = images.flatten(1)
        return self.early(flat), self.output(self.blocks(flat))


def test_users_network_carries_modules_at_any_submodule() -> None:
    attached = attach(Auxiliary(), ["blocks.1"], **DIGITS, seed=0)
    assert num_modules(attached, (1, 8, 8)) == 3


@pytest.mark.parametrize(
    ("network", "modules", "message"),
    [
        ("small_cnn", ["conv3"], r"unknown block 'conv3'; did you mean 'conv2'\? blocks: conv1, conv2"),
        ("user", ["block.1"], r"unknown block 'block\.1'; did you mean 'blocks\.1'\?"),
        ("user", "all", r"Auxiliary does not state its blocks; list submodules instead"),
        ("user", ["unused"], r"block 'unused' gives none; a module needs feature maps \[B, ch, h, w\]"),
        ("sequence", ["0"], r"block '0' gives \[2, 1, 64\]"),
    ],
)
def test_impossible_modules_are_refused(network: str, modules: str | list[str], message: str) -> None:
    made = {
        "small_cnn": lambda: make_model("small_cnn", **DIGITS, seed=0),
        "user": Auxiliary,
        "sequence": lambda: nn.Sequential(nn.Flatten(2), nn.Flatten(), nn.Linear(64, 10)),
    }[network]()
    with pytest.raises(ValueError, match=message):
        attach(made, modules, **DIGITS, seed=0)


# -- training -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("network", "modules"), [("small_cnn", "all"), ("mlp", ["1", "2"])])
def test_lane_with_modules_among_eight_and_two_equals_lane_alone(
    lanes: Callable[..., list[Lane]], new_array: Callable[..., LaneArray], network: str, modules: str | list[str]
) -> None:
    eight = lanes(network, modules, 2)  # of the mlp, '2' is the last block: its module is the network's own head
    together = trained(new_array(network, eight, modules))
    pairs = {}
    for i in range(0, 8, 2):
        pairs |= trained(new_array(network, eight[i : i + 2], modules))
    for lane in eight:
        alone = trained(new_array(network, [lane], modules))[lane.key]
        assert_same(together[lane.key], alone, 1e-12)
        assert_same(pairs[lane.key], alone, 1e-12)
        assert math.isfinite(alone.history[-1]["loss_weight"])


def test_lane_with_a_module_at_the_last_block_alone_is_the_lane_without_modules(
    lanes: Callable[..., list[Lane]], new_array: Callable[..., LaneArray]
) -> None:
    lane = lanes("small_cnn", "last", 1)[3]
    plain = dataclasses.replace(lane, loss=CrossEntropy(10), modules=None, key="plain")
    array = new_array("small_cnn", [dataclasses.replace(lane, loss=PlainMean(10)), plain])
    states = trained(array)
    for name, tensor in states["plain"].last.items():
        torch.testing.assert_close(states["d"].last[name], tensor, rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [1, 2])
def test_networks_own_list_goes_whole_to_a_loss_over_modules_and_its_last_to_any_other(
    lanes: Callable[..., list[Lane]], new_array: Callable[..., LaneArray], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    def make(name: str, *, seed: int, **_: object) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Auxiliary()

    monkeypatch.setattr("trainables.engine.network.make_model", make)
    a, b = lanes("mlp", "last", 2)[:2]
    b = dataclasses.replace(b, loss=CrossEntropy(10), modules=None)
    states = trained(new_array("mlp", [a, b])) if width == 2 else {
        key: state for lane in (a, b) for key, state in trained(new_array("mlp", [lane])).items()
    }  # fmt: skip
    # Without a gradient weight decay alone moves a layer: every weight by the same factor.
    shrinking = {}
    for lane in (a, b):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(lane.weights_seed)
            start = Auxiliary().early.weight.double()
        shrinking[lane.key] = (states[lane.key].last["network.early.weight"] / start).std()
    assert shrinking["b"] < 1e-10
    assert shrinking["a"] > 0.01


def test_lane_whose_modules_differ_from_the_arrays_is_refused(
    lanes: Callable[..., list[Lane]], new_array: Callable[..., LaneArray]
) -> None:
    with pytest.raises(ValueError, match=r"lane 'a' has modules at \['conv1'\], the array's networks at \[\]"):
        new_array("small_cnn", lanes("small_cnn", "all", 2)[:1])
    array = new_array("small_cnn", lanes("small_cnn", ["conv1"], 2)[:1], "all")  # the same blocks by another name
    assert array.keys == ["a"]


# -- what is kept -------------------------------------------------------------------------------------------------


def test_exported_weights_are_the_network_without_its_modules(
    lanes: Callable[..., list[Lane]], new_array: Callable[..., LaneArray], tmp_path: Path
) -> None:
    lane = lanes("small_cnn", "all", 2)[2]
    array = new_array("small_cnn", [lane], "all")
    array.advance()
    state = array.save("c")
    assert {name.split(".")[0] for name in state.last} == {"network", "attached", "optimizer", "loss", "measured"}
    write_checkpoint(tmp_path, "c", state)
    network = make_model("small_cnn", **DIGITS, seed=0, width=4, hidden=16).double()
    network.load_state_dict(load(network_weights(tmp_path, "last")[0]))  # strict: no name more, no name less
    images = torch.cat([images for _, images in array.data.val_batches(64)])
    torch.testing.assert_close(network(images), array.program.networks.evaluate(images)[-1][0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [1, 3])
def test_lanes_with_modules_go_on_from_a_checkpoint_bit_for_bit(
    lanes: Callable[..., list[Lane]], new_array: Callable[..., LaneArray], tmp_path: Path, width: int
) -> None:
    group = lanes("small_cnn", "all", 2)[3 : 3 + width]
    undisturbed, before = trained(new_array("small_cnn", group, "all")), new_array("small_cnn", group, "all")
    before.advance()
    after = new_array("small_cnn", [], "all")
    for lane in group:
        write_checkpoint(tmp_path / lane.key, lane.key, before.save(lane.key))
        after.add(lane, read_checkpoint(tmp_path / lane.key, lane.key).state)
    for _ in range(EPOCHS - 1):
        after.advance()
    for key, state in undisturbed.items():
        assert_same(after.save(key), state, 0)


def test_network_is_made_with_modules_by_the_engine() -> None:
    network = make_network({"name": "small_cnn"}, "all", **DIGITS, seed=4)
    assert sorted({name.split(".")[0] for name, _ in network.named_parameters()}) == ["attached", "network"]
