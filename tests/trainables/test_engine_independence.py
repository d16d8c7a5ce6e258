"""A lane's numbers do not depend on its neighbours, and are those of a plain training loop.

Eight lanes of mixed families, learning rates, noise masks and clipping, 3 epochs of 18 steps each, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.trainables.lanes import assert_same_lane, train_lanes
from trainables.data.task import TaskData
from trainables.engine.lane import Lane, LaneState
from trainables.engine.lanes import LaneArray
from trainables.engine.session import make_lane
from trainables.engine.stack import LoneStack, VectorizedStack
from trainables.models import make_model
from trainables.seeds import derive_seed
from trainables.trial import Trial

LaneAndTrial = tuple[Lane, Trial]
EPOCHS = 3
LOSSES: list[tuple[str, dict[str, Any]]] = [
    ("ce", {}),
    ("label_smoothing", {"epsilon": 0.2}),
    ("mcel", {"epsilon": 0.3, "similarity": "lda"}),
    ("tce", {"alpha": 1.5}),
    ("ce", {}),
    ("mcel", {"epsilon": 0.1, "similarity": "uniform"}),
    ("tce", {"alpha": 1.0}),
    ("tce", {"alpha": 0.5}),
]
SGD = [{"lr": 0.02 * (i + 1), "momentum": 0.9 - 0.1 * i, "weight_decay": 1e-4 * i} for i in range(8)]
ADAMW = [{"name": "adamw", "lr": 0.001 * (i + 1), "beta1": 0.9 - 0.1 * i, "weight_decay": 0.01 * i} for i in range(8)]
SCHEDULES = [
    {"name": "cosine"},
    {"name": "constant"},
    {"name": "multistep", "milestones": [1, 2], "gamma": 0.3},
]


@pytest.fixture(params=["mlp", "small_cnn"], scope="module")
def network(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def eight_lanes(
    make_trial: Callable[..., Trial], digits_with_noise: Callable[[float, int], TaskData]
) -> Callable[..., list[LaneAndTrial]]:
    """Lanes a to h. The noise masks differ: two rates, four seeds."""

    def make(network: str, optimizers: list[dict[str, Any]] = SGD, precision: str = "float64") -> list[LaneAndTrial]:
        lanes = []
        for i, (family, hyperparameters) in enumerate(LOSSES):
            trial = make_trial(
                family, hyperparameters=hyperparameters, model=network, precision=precision, epochs=EPOCHS, seed=i,
                optimizer=optimizers[i], schedule=SCHEDULES[i % 3], clip_norm=0.7 if i % 3 == 1 else None,
            )  # fmt: skip
            lanes.append((make_lane("abcdefgh"[i], trial, digits_with_noise(0.2 * (i % 2), i % 4)), trial))
        return lanes

    return make


@pytest.fixture(scope="module")
def lanes(eight_lanes: Callable[..., list[LaneAndTrial]], network: str) -> list[LaneAndTrial]:
    return eight_lanes(network)


@pytest.fixture(scope="module")
def alone(lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray]) -> dict[str, LaneState]:
    """What each lane becomes with no neighbours at all."""
    return train_lanes(make_array, EPOCHS, lanes, groups=[[lane] for lane in lanes])


# -- neighbours ---------------------------------------------------------------------------------------------------


def test_lane_among_two_equals_lane_alone(
    lanes: list[LaneAndTrial], alone: dict[str, LaneState], make_array: Callable[..., LaneArray]
) -> None:
    together = train_lanes(make_array, EPOCHS, lanes, groups=[lanes[0:2], lanes[2:4], lanes[4:6], [lanes[7], lanes[6]]])
    for key, state in together.items():
        assert_same_lane(state, alone[key], 1e-12)


@pytest.mark.parametrize("order", ["abcdefgh", "hgfedcba", "cahfbgde"])
def test_lane_among_eight_in_any_order_equals_lane_alone(
    lanes: list[LaneAndTrial], alone: dict[str, LaneState], make_array: Callable[..., LaneArray], order: str
) -> None:
    together = train_lanes(make_array, EPOCHS, [lanes["abcdefgh".index(key)] for key in order])
    assert together.keys() == alone.keys()
    for key, state in together.items():
        assert_same_lane(state, alone[key], 1e-12)


def churn(array: LaneArray, lanes: list[LaneAndTrial], others: LaneArray) -> dict[str, LaneState]:
    """Take lanes a to h through all their epochs while they join, leave, move and come back."""
    a, b, c, d, e, f, g, h = (lane for lane, _ in lanes)
    finished = {}

    def leave(source: LaneArray, key: str) -> LaneState:
        state = source.save(key)
        source.remove(key)
        return state

    array.add(b)
    array.advance()  # a b
    array.add(c)
    array.add(d)
    array.advance()  # a b c d
    paused = leave(array, "a")
    array.add(e)
    array.advance()  # b c d e; b ends
    finished["b"] = leave(array, "b")
    others.add(a, paused)
    others.advance()  # h a; a ends
    finished["a"] = leave(others, "a")
    array.add(f)
    array.add(g)
    array.advance()  # c d e f g; c and d end
    finished |= {key: leave(array, key) for key in ("d", "c")}
    others.advance()  # h alone
    array.add(h, leave(others, "h"))
    array.advance()  # e f g h; e and h end
    finished |= {key: leave(array, key) for key in ("e", "h")}
    array.advance()  # f g
    finished |= {key: leave(array, key) for key in ("f", "g")}
    assert array.keys == others.keys == []
    return finished


def test_lanes_that_leave_join_and_move_equal_lanes_alone(
    lanes: list[LaneAndTrial], alone: dict[str, LaneState], make_array: Callable[..., LaneArray]
) -> None:
    finished = churn(make_array(lanes[0]), lanes, make_array(lanes[7]))
    assert finished.keys() == alone.keys()
    for key, state in finished.items():
        assert_same_lane(state, alone[key], 1e-12)


def test_lanes_under_adamw_that_leave_join_and_move_equal_lanes_alone(
    eight_lanes: Callable[..., list[LaneAndTrial]], make_array: Callable[..., LaneArray]
) -> None:
    lanes = eight_lanes("mlp", ADAMW)
    alone = train_lanes(make_array, EPOCHS, lanes, groups=[[lane] for lane in lanes])
    finished = churn(make_array(lanes[0]), lanes, make_array(lanes[7]))
    for key, state in finished.items():
        assert_same_lane(state, alone[key], 1e-12)


def test_eight_lanes_differ_from_one_another(alone: dict[str, LaneState]) -> None:
    curves = {tuple(metrics["train_loss"] for metrics in state.history) for state in alone.values()}
    assert len(curves) == 8


def test_lone_lane_runs_its_module_and_several_run_stacked(
    lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray]
) -> None:
    array = make_array(lanes[0])
    assert isinstance(array.program.networks, LoneStack)
    array.add(lanes[1][0])
    assert isinstance(array.program.networks, VectorizedStack)
    array.remove("a")
    assert isinstance(array.program.networks, LoneStack)


def test_key_that_is_in_the_array_is_refused(lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray]) -> None:
    with pytest.raises(ValueError, match="lane 'a' is in the array already"):
        make_array(lanes[0], lanes[0])


# -- a sick neighbour ---------------------------------------------------------------------------------------------


def with_rate(lane: LaneAndTrial, lr: float, make_lane: Callable[..., LaneAndTrial]) -> LaneAndTrial:
    trial = lane[1]
    training = trial["training"] | {"optimizer": trial["training"]["optimizer"] | {"lr": lr}}
    return make_lane(lane[0].key, trial | {"training": training})


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("sick", [0, 2, 3])
def test_lane_that_diverges_leaves_the_others_bit_identical(
    eight_lanes: Callable[..., list[LaneAndTrial]],
    make_array: Callable[..., LaneArray],
    lane_of: Callable[..., LaneAndTrial],
    network: str,
    precision: str,
    sick: int,
) -> None:
    lanes = eight_lanes(network, precision=precision)[:4]
    mixed = list(lanes)
    mixed[sick] = with_rate(lanes[sick], 1e30, lane_of)
    healthy, beside_nan = train_lanes(make_array, EPOCHS, lanes), train_lanes(make_array, EPOCHS, mixed)
    key = "abcd"[sick]
    assert not math.isfinite(beside_nan[key].history[-1]["train_loss"])
    for other in set("abcd") - {key}:
        assert_same_lane(beside_nan[other], healthy[other], 0)


def test_nan_in_one_lanes_weights_touches_no_other_lane(
    lanes: list[LaneAndTrial], alone: dict[str, LaneState], make_array: Callable[..., LaneArray]
) -> None:
    array = make_array(*lanes[:4])
    array.bank.weights[1] = math.nan
    for _ in range(EPOCHS):
        array.advance()
    assert math.isnan(array.save("b").history[0]["train_loss"])
    assert (
        array.save("b").best_epoch
        == array.save("b").history.index(
            max(array.save("b").history, key=lambda metrics: metrics["val_accuracy_noisy"])
        )
        + 1
    )  # an accuracy is a number even where the loss is none
    for key in "acd":
        assert_same_lane(array.save(key), alone[key], 1e-12)


def test_lane_without_clipping_is_bit_identical_beside_a_clipped_one(
    eight_lanes: Callable[..., list[LaneAndTrial]],
    make_array: Callable[..., LaneArray],
    make_trial: Callable[..., Trial],
    lane_of: Callable[..., LaneAndTrial],
) -> None:
    first = lane_of("free", make_trial(seed=1))
    beside = {
        norm: train_lanes(make_array, EPOCHS, [first, lane_of("neighbour", make_trial(seed=2, clip_norm=norm))])["free"]
        for norm in (None, 0.1)
    }
    assert_same_lane(beside[0.1], beside[None], 0)


# -- buffers ------------------------------------------------------------------------------------------------------


class Normalised(nn.Module):
    """A user's network with BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm1 = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.hidden, self.norm2 = nn.Linear(4 * 4 * 4, 16), nn.BatchNorm1d(16, momentum=0.3)
        self.output = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm1(self.conv(images))), 2)
        return self.output(F.relu(self.norm2(self.hidden(x.flatten(1)))))


class PartlyUsed(nn.Module):
    """A user's network with a layer that its forward never calls, as auxiliary heads often are."""

    def __init__(self) -> None:
        super().__init__()
        self.output, self.auxiliary = nn.Linear(64, 10), nn.Linear(64, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(images.flatten(1))


def use_network(monkeypatch: pytest.MonkeyPatch, network: Callable[[], nn.Module]) -> None:
    def make(name: str, *, seed: int, **_: object) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return network()

    monkeypatch.setattr("trainables.engine.network.make_model", make)


@pytest.mark.parametrize("network_class", [Normalised, PartlyUsed])
def test_users_network_stacked_equals_alone_with_its_running_statistics(
    eight_lanes: Callable[..., list[LaneAndTrial]],
    make_array: Callable[..., LaneArray],
    monkeypatch: pytest.MonkeyPatch,
    network_class: type[nn.Module],
) -> None:
    use_network(monkeypatch, network_class)
    lanes = eight_lanes("mlp")
    alone = train_lanes(make_array, EPOCHS, lanes, groups=[[lane] for lane in lanes])
    together = train_lanes(make_array, EPOCHS, lanes)
    moved = churn(make_array(lanes[0]), lanes, make_array(lanes[7]))
    for key, state in alone.items():
        assert_same_lane(together[key], state, 1e-8)
        assert_same_lane(moved[key], state, 1e-8)
    if network_class is Normalised:
        assert int(alone["a"].last["network.norm1.num_batches_tracked"]) == EPOCHS * 18
        assert (alone["a"].last["network.norm1.running_mean"] != alone["b"].last["network.norm1.running_mean"]).all()


def test_running_statistics_equal_those_of_a_plain_loop(
    make_trial: Callable[..., Trial],
    lane_of: Callable[..., LaneAndTrial],
    make_array: Callable[..., LaneArray],
    digits: TaskData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_network(monkeypatch, Normalised)
    lanes = [lane_of(key, make_trial(epochs=EPOCHS, seed=seed)) for key, seed in (("a", 1), ("b", 2))]
    together = train_lanes(make_array, EPOCHS, lanes)
    for lane, trial in lanes:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(lane.weights_seed)
            net = Normalised().double()
        plain_loop(net, trial, digits)
        for name, tensor in net.state_dict().items():
            torch.testing.assert_close(together[lane.key].last[f"network.{name}"], tensor, rtol=0, atol=1e-8)


# -- a plain loop -------------------------------------------------------------------------------------------------


def plain_loop(net: nn.Module, trial: Trial, data: TaskData, smoothing: float = 0.0) -> list[dict[str, float]]:
    """Training as one writes it without any of the engine; returns metrics per epoch."""
    training, kind = trial["training"], dict(trial["training"]["optimizer"])
    if kind.pop("name") == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(net.parameters(), **kind)
    else:
        betas = (kind.pop("beta1"), kind.pop("beta2"))
        optimizer = torch.optim.AdamW(net.parameters(), betas=betas, **kind)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=training["epochs"])
    images = torch.tensor(data.pool.images).double()
    noisy, clean = torch.tensor(data.noisy_labels), torch.tensor(data.pool.labels)
    train, val = torch.tensor(data.train_index), torch.tensor(data.val_index)
    images = (images - images[train].mean()) / images[train].std(correction=0)
    history = []
    for epoch in range(training["epochs"]):
        net.train()
        order = torch.randperm(
            len(train), generator=torch.Generator().manual_seed(derive_seed(trial["seeds"]["order"], epoch))
        )
        total = correct = 0.0
        for batch in train[order].split(64):
            logits = net(images[batch])
            loss = F.cross_entropy(logits, noisy[batch], label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()
            if training["clip_norm"]:
                torch.nn.utils.clip_grad_norm_(net.parameters(), training["clip_norm"])
            optimizer.step()
            total += loss.item() * len(batch)
            correct += (logits.argmax(1) == noisy[batch]).sum().item()
        net.eval()
        with torch.no_grad():
            logits = net(images[val])
        history.append({
            "train_loss": total / len(train),
            "train_accuracy": correct / len(train),
            "val_loss_noisy": F.cross_entropy(logits, noisy[val]).item(),
            "val_loss_clean": F.cross_entropy(logits, clean[val]).item(),
            "val_accuracy_noisy": (logits.argmax(1) == noisy[val]).double().mean().item(),
            "val_accuracy_clean": (logits.argmax(1) == clean[val]).double().mean().item(),
            "lr": scheduler.get_last_lr()[0],
        })  # fmt: skip
        scheduler.step()
    return history


@pytest.mark.parametrize("stacked", [False, True], ids=["alone", "stacked"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(("family", "smoothing"), [("ce", 0.0), ("label_smoothing", 0.125)])
def test_lane_equals_a_plain_torch_loop(
    make_trial: Callable[..., Trial],
    lane_of: Callable[..., LaneAndTrial],
    make_array: Callable[..., LaneArray],
    digits: TaskData,
    network: str,
    stacked: bool,
    optimizer: str,
    family: str,
    smoothing: float,
) -> None:
    hyperparameters = {"epsilon": smoothing} if smoothing else {}
    trial = make_trial(
        family,
        hyperparameters=hyperparameters,
        model=network,
        optimizer={"name": optimizer},
        clip_norm=1.0,
        seed=4,
    )
    neighbour = lane_of("other", make_trial("tce", model=network, optimizer={"name": optimizer}, seed=9))
    lane = lane_of("lane", trial)
    ours = train_lanes(make_array, EPOCHS, [neighbour, lane] if stacked else [lane])["lane"]
    net = make_model(**trial["model"], image_shape=(1, 8, 8), num_classes=10, seed=lane[0].weights_seed).double()
    history = plain_loop(net, trial, digits, smoothing)
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(ours.last[f"network.{name}"], parameter.detach(), rtol=0, atol=1e-10)
    for metrics, reference in zip(ours.history, history, strict=True):
        for name, value in reference.items():
            assert metrics[name] == pytest.approx(value, rel=0, abs=1e-10), name


# -- saving, adding, the best epoch -------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("optimizer", [SGD, ADAMW], ids=["sgd", "adamw"])
@pytest.mark.parametrize("with_buffers", [False, True])
def test_lanes_saved_and_added_again_go_on_bit_for_bit(
    eight_lanes: Callable[..., list[LaneAndTrial]],
    make_array: Callable[..., LaneArray],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    optimizer: list[dict[str, Any]],
    with_buffers: bool,
) -> None:
    if with_buffers:
        use_network(monkeypatch, Normalised)
    lanes = eight_lanes("mlp", optimizer, precision="float32")[:width]
    undisturbed = train_lanes(make_array, EPOCHS, lanes)
    before = make_array(*lanes)
    before.advance()
    saved = {key: before.save(key) for key in before.keys}
    before.advance()  # what was saved must not move with the array
    after = make_array(lanes[0])
    after.remove("a")
    for lane, _ in lanes:
        after.add(lane, saved[lane.key])
    for _ in range(EPOCHS - 1):
        after.advance()
    for key, state in undisturbed.items():
        assert_same_lane(after.save(key), state, 0)


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("val_accuracy_noisy", "max"),
        ("val_accuracy_noisy", "min"),  # as training goes on accuracy rises: the best epoch is an early one
        ("val_loss_clean", "min"),
        ("val_loss_noisy", "max"),
    ],
)
@pytest.mark.parametrize("width", [1, 3])
def test_best_weights_are_those_of_the_best_epoch(
    make_trial: Callable[..., Trial],
    lane_of: Callable[..., LaneAndTrial],
    make_array: Callable[..., LaneArray],
    digits: TaskData,
    monkeypatch: pytest.MonkeyPatch,
    monitor: str,
    mode: str,
    width: int,
) -> None:
    use_network(monkeypatch, Normalised)
    lanes = [
        lane_of(f"lane{i}", make_trial(seed=i, monitor=(monitor, mode), optimizer={"lr": 0.02})) for i in range(width)
    ]
    images = torch.tensor(digits.pool.images).double()
    train_index, val_index = torch.tensor(digits.train_index), torch.tensor(digits.val_index)
    images = (images - images[train_index].mean()) / images[train_index].std(correction=0)
    labels = torch.tensor(digits.pool.labels if monitor.endswith("clean") else digits.noisy_labels)
    for state in train_lanes(make_array, EPOCHS, lanes).values():
        values = [metrics[monitor] for metrics in state.history]
        best = max(values) if mode == "max" else min(values)
        assert state.best_epoch == values.index(best) + 1
        assert state.best_value == best
        net = Normalised().double().eval()
        net.load_state_dict({name[8:]: tensor for name, tensor in state.best.items() if name.startswith("network.")})
        with torch.no_grad():
            logits = net(images[val_index])
        if "accuracy" in monitor:
            again = (logits.argmax(1) == labels[val_index]).double().mean()
        else:
            again = F.cross_entropy(logits, labels[val_index])
        assert float(again) == pytest.approx(best, rel=0, abs=1e-10)
        if (monitor, mode) in {("val_accuracy_noisy", "min"), ("val_loss_noisy", "max")}:
            assert state.best_epoch < EPOCHS
            assert not torch.equal(state.best["network.output.weight"], state.last["network.output.weight"])
