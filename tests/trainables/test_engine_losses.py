"""Losses that learn, remember or watch: their numbers do not depend on neighbours, and are those of a plain loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.trainables.lanes import assert_same_lane, train_lanes
from trainables.data.task import TaskData
from trainables.engine.checkpoint import read_checkpoint, write_checkpoint
from trainables.engine.checkpoint_files import kept_arrays, network_weights
from trainables.engine.lane import Lane, LaneState
from trainables.engine.lanes import LaneArray
from trainables.losses.base import Loss
from trainables.losses.ce import CrossEntropy
from trainables.models import make_model
from trainables.seeds import derive_seed
from trainables.trial import Trial

LaneAndTrial = tuple[Lane, Trial]
EPOCHS = 3
SAMPLES = 1150


class LearnedSmoothing(Loss):
    """Label smoothing with a learned strength per class, a penalty on it, and a learning rate of its own or none."""

    def __init__(self, start: float, penalty: float, rate: float | None) -> None:
        super().__init__(10)
        self.learned("epsilon", torch.full((10,), start))
        self.hyperparameter("penalty", penalty)
        self.rate = rate

    @property
    def learning_rate(self) -> Tensor | None:
        return None if self.rate is None else torch.tensor(self.rate, dtype=torch.float64)

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        log_probs, epsilon = logits.log_softmax(-1), self.epsilon[targets]
        return F.cross_entropy(logits, targets, reduction="none") * (1 - epsilon) - epsilon * log_probs.mean(-1)

    def batch_term(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.penalty * (self.epsilon - 0.2).square().sum()

    def metrics(self) -> dict[str, Tensor]:
        return {"epsilon_mean": self.epsilon.mean(), "epsilon_max": self.epsilon.max()}

    def arrays(self) -> dict[str, Tensor]:
        return {"epsilon": self.epsilon}

    def warnings(self) -> Sequence[str]:
        return [f"epsilon of {float(self.epsilon.max())} is large"] if self.epsilon.max() > 0.3 else []


class Remembering(Loss):
    """Cross entropy drawn to the running mean of each sample's predictions, as in early-learning regularisation."""

    memory = ("seen", "steps")

    def __init__(self, beta: float) -> None:
        super().__init__(10)
        self.hyperparameter("beta", beta)
        self.register_buffer("seen", torch.zeros(SAMPLES, 10, dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        probs = logits.softmax(-1)
        mean = self.beta * self.seen[indices] + (1 - self.beta) * probs.detach()
        if self.training:
            self.seen.index_put_((indices,), mean)
            self.steps.add_(1)
        return F.cross_entropy(logits, targets, reduction="none") + torch.log1p(-0.9 * (mean * probs).sum(-1))

    def metrics(self) -> dict[str, Tensor]:
        return {"steps": self.steps, "certainty": self.seen.amax(-1).mean()}


class Watching(Loss):
    """Cross entropy weighted by how well each class was predicted at the end of the epoch before."""

    memory = ("recall",)
    observes_epochs = True

    def __init__(self, floor: float) -> None:
        super().__init__(10)
        self.hyperparameter("floor", floor)
        self.register_buffer("recall", torch.ones(10, dtype=torch.float64))

    def per_sample(self, logits: Tensor, targets: Tensor, indices: Tensor | None) -> Tensor:
        return (self.floor + self.recall[targets]) * F.cross_entropy(logits, targets, reduction="none")

    def end_epoch(self, epoch: int, logits: Tensor, targets: Tensor) -> None:
        assert not torch.is_grad_enabled()
        right = (logits.argmax(-1) == targets).to(self.recall)
        # A new tensor in the old one's place: the engine must not depend on losses writing in place here.
        self.recall = (
            torch.zeros_like(self.recall).index_add(0, targets, right) / targets.bincount(minlength=10) / epoch
        )

    def arrays(self) -> dict[str, Tensor]:
        return {"recall": self.recall}


def losses() -> list[Loss]:
    return [
        LearnedSmoothing(0.1, 0.5, None),
        Remembering(0.7),
        CrossEntropy(10),
        LearnedSmoothing(0.3, 0.1, 0.3),
        Watching(0.5),
        Remembering(0.9),
        LearnedSmoothing(0.0, 1.0, 0.01),
        Watching(0.1),
    ]


def with_loss(lane: Lane, loss: Loss) -> Lane:
    return dataclasses.replace(lane, loss=loss)


@pytest.fixture(scope="module", params=["sgd", "adamw"])
def lanes(
    request: pytest.FixtureRequest, make_trial: Callable[..., Trial], lane_of: Callable[..., LaneAndTrial],
    digits_with_noise: Callable[[float, int], TaskData],
) -> list[LaneAndTrial]:  # fmt: skip
    """Lanes a to h, of four kinds of loss, with settings and noise of their own."""
    sgd = [{"lr": 0.02 * (i + 1), "momentum": 0.9 - 0.1 * i, "weight_decay": 1e-3 * i} for i in range(8)]
    adamw = [
        {"name": "adamw", "lr": 1e-3 * (i + 1), "beta1": 0.9 - 0.1 * i, "weight_decay": 1e-2 * i} for i in range(8)
    ]
    made = []
    for i, loss in enumerate(losses()):
        trial = make_trial(
            epochs=EPOCHS, seed=i, optimizer=(sgd if request.param == "sgd" else adamw)[i],
            clip_norm=0.5 if i % 3 == 0 else None,
        )  # fmt: skip
        lane, _ = lane_of("abcdefgh"[i], trial, digits_with_noise(0.2 * (i % 2), i % 4))
        made.append((with_loss(lane, loss), trial))
    return made


@pytest.fixture(scope="module")
def alone(lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray]) -> dict[str, LaneState]:
    return train_lanes(make_array, EPOCHS, lanes, groups=[[lane] for lane in lanes])


# -- neighbours ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["abcdefgh", "hgfedcba", "cahfbgde"])
def test_lane_among_eight_equals_lane_alone(
    lanes: list[LaneAndTrial], alone: dict[str, LaneState], make_array: Callable[..., LaneArray], order: str
) -> None:
    together = train_lanes(make_array, EPOCHS, [lanes["abcdefgh".index(key)] for key in order])
    for key, state in alone.items():
        assert_same_lane(together[key], state, 1e-12, equal_nan=False)


@pytest.mark.parametrize("pairs", [["ad", "bf", "eh", "gc"], ["ab", "cd", "fe", "hg"]], ids=["alike", "mixed"])
def test_lane_among_two_equals_lane_alone(
    lanes: list[LaneAndTrial], alone: dict[str, LaneState], make_array: Callable[..., LaneArray], pairs: list[str]
) -> None:
    together = train_lanes(
        make_array, EPOCHS, lanes, groups=[[lanes["abcdefgh".index(key)] for key in pair] for pair in pairs]
    )
    for key, state in together.items():
        assert_same_lane(state, alone[key], 1e-12, equal_nan=False)


def test_lanes_that_join_leave_and_come_back_equal_lanes_alone(
    lanes: list[LaneAndTrial], alone: dict[str, LaneState], make_array: Callable[..., LaneArray]
) -> None:
    array = make_array(*lanes[:3])
    array.advance()  # a b c
    states = {key: array.save(key) for key in "ab"}
    array.remove("a")
    array.remove("b")
    for lane, _ in lanes[3:6]:
        array.add(lane)
    array.advance()  # c d e f
    array.add(lanes[1][0], states["b"])
    array.add(lanes[0][0], states["a"])
    array.advance()  # c d e f b a; c ends
    finished = {"c": array.save("c")}
    array.remove("c")
    array.advance()  # d e f b a; all end
    for key in "defba":
        finished[key] = array.save(key)
        array.remove(key)
    assert array.keys == []
    for key, state in finished.items():
        assert_same_lane(state, alone[key], 1e-12, equal_nan=False)


def test_neighbour_that_became_nan_leaves_learned_and_remembered_bit_identical(
    lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray]
) -> None:
    group = [lanes["abcdefgh".index(key)] for key in "adbf"]
    healthy = train_lanes(make_array, EPOCHS, group)
    array = make_array(*group)
    array.bank.weights[1] = torch.nan
    for _ in range(EPOCHS):
        array.advance()
    assert array.save("d").last["loss.epsilon"].isnan().all()
    for key in "abf":
        assert_same_lane(array.save(key), healthy[key], 0, equal_nan=False)


def test_array_leaves_the_loss_it_was_given_as_it_was(lanes: list[LaneAndTrial], alone: dict[str, LaneState]) -> None:
    for (lane, _), fresh in zip(lanes, losses(), strict=True):
        assert all(torch.equal(t, lane.loss.state_dict()[name]) for name, t in fresh.state_dict().items())


# -- a plain loop -------------------------------------------------------------------------------------------------


def plain_loop(lane: Lane, trial: Trial, loss: Loss, data: TaskData) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Training as one writes it without the engine: the loss's parameters in a group of their own."""
    training, kind = trial["training"], dict(trial["training"]["optimizer"])
    net = make_model(**trial["model"], image_shape=(1, 8, 8), num_classes=10, seed=lane.weights_seed).double()
    loss.double().train()
    rate = getattr(loss, "learning_rate", None)
    groups: list[dict[str, Any]] = [{"params": list(net.parameters()), "lr": kind["lr"]}]
    if list(loss.parameters()):
        own = kind["lr"] if rate is None else float(rate)
        groups.append({"params": list(loss.parameters()), "lr": own, "weight_decay": 0.0})
    if kind.pop("name") == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(groups, **kind)
    else:
        optimizer = torch.optim.AdamW(groups, betas=(kind.pop("beta1"), kind.pop("beta2")), **kind)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=training["epochs"])
    images = torch.tensor(data.pool.images).double()[torch.tensor(data.train_index)]
    images = (images - images.mean()) / images.std(correction=0)
    labels = lane.train_labels
    for epoch in range(EPOCHS):
        generator = torch.Generator().manual_seed(derive_seed(lane.order_seed, epoch))
        for batch in torch.randperm(len(images), generator=generator).split(64):
            optimizer.zero_grad()
            loss(net(images[batch]), labels[batch], batch).backward()
            if training["clip_norm"]:
                torch.nn.utils.clip_grad_norm_(net.parameters(), training["clip_norm"])
            optimizer.step()
        scheduler.step()
        if loss.observes_epochs:
            with torch.no_grad():
                loss.end_epoch(epoch + 1, net(images), labels)
    return net, optimizer


def test_lane_equals_a_plain_torch_loop(
    lanes: list[LaneAndTrial], alone: dict[str, LaneState], digits: TaskData
) -> None:
    for (lane, trial), loss in zip(lanes, losses(), strict=True):
        net, optimizer = plain_loop(lane, trial, loss, digits)
        last = alone[lane.key].last
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(last[f"network.{name}"], parameter.detach(), rtol=0, atol=1e-10)
        named = dict(loss.named_parameters()) | {name: loss.get_buffer(name) for name in loss.memory}
        assert {f"loss.{name}" for name in named} == {name for name in last if name.startswith("loss.")}
        for name, tensor in named.items():
            torch.testing.assert_close(last[f"loss.{name}"], tensor.detach(), rtol=0, atol=1e-10)
        for name, parameter in loss.named_parameters():
            slots = {"momentum_buffer": "momentum", "exp_avg": "mean", "exp_avg_sq": "square"}
            kept = {slots[key]: t for key, t in optimizer.state[parameter].items() if key in slots and t is not None}
            assert {f"loss_optimizer.{slot}.{name}" for slot in kept} == {
                key for key in last if key.startswith("loss_optimizer.") and key.endswith(name)
            }
            for slot, tensor in kept.items():
                torch.testing.assert_close(last[f"loss_optimizer.{slot}.{name}"], tensor, rtol=0, atol=1e-10)


# -- what is kept -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 8])
@pytest.mark.parametrize("epochs_before", [0, 1, 2])
def test_lanes_through_a_checkpoint_go_on_bit_for_bit(
    lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray], tmp_path: Any, width: int, epochs_before: int
) -> None:
    groups = [lanes] if width == 8 else [[lane] for lane in lanes]
    for group in groups:
        undisturbed, before = make_array(*group), make_array(*group)
        for _ in range(epochs_before):
            before.advance()
        for key in before.keys:
            write_checkpoint(tmp_path / key, key, before.save(key))
        before.advance()
        after = make_array(group[0])
        after.remove(group[0][0].key)
        for lane, _ in group:
            after.add(lane, read_checkpoint(tmp_path / lane.key, lane.key).state)
        for _ in range(EPOCHS):
            undisturbed.advance()
        for _ in range(EPOCHS - epochs_before):
            after.advance()
        for key in after.keys:
            assert_same_lane(after.save(key), undisturbed.save(key), 0, equal_nan=False)


def test_what_a_loss_logs_is_in_the_epochs_report(
    lanes: list[LaneAndTrial], alone: dict[str, LaneState], make_array: Callable[..., LaneArray]
) -> None:
    array = make_array(*lanes)
    for epoch in range(EPOCHS):
        reports = array.advance()
        for key in "adg":
            epsilon = array.save(key).last["loss.epsilon"]
            assert reports[key]["loss_epsilon_mean"] == pytest.approx(float(epsilon.mean()), abs=1e-15)
            assert reports[key]["loss_epsilon_max"] == float(epsilon.max())
        assert reports["b"]["loss_steps"] == reports["f"]["loss_steps"] == 18 * (epoch + 1)
        assert not [name for name in reports["c"] if name.startswith("loss_")]
    assert alone["a"].history[-1]["loss_epsilon_mean"] != alone["a"].history[0]["loss_epsilon_mean"]


def test_best_and_last_arrays_are_read_without_torch(
    make_trial: Callable[..., Trial], lane_of: Callable[..., LaneAndTrial], make_array: Callable[..., LaneArray],
    tmp_path: Any,
) -> None:  # fmt: skip
    lane, trial = lane_of("a", make_trial(epochs=EPOCHS, monitor=("val_accuracy_noisy", "min")))  # best is the first
    array = make_array((with_loss(lane, LearnedSmoothing(0.1, 0.5, 0.1)), trial))
    after = []
    for _ in range(EPOCHS):
        array.advance()
        after.append(array.save("a").last["loss.epsilon"].numpy())
    state = array.save("a")
    assert state.best_epoch < EPOCHS
    write_checkpoint(tmp_path, "a", state)
    best, last = kept_arrays(tmp_path, "best"), kept_arrays(tmp_path, "last")
    assert best.keys() == last.keys() == {"epsilon"}
    assert np.array_equal(best["epsilon"], after[state.best_epoch - 1])
    assert np.array_equal(last["epsilon"], after[-1])
    assert not np.array_equal(best["epsilon"], last["epsilon"])
    assert b"epsilon" not in network_weights(tmp_path, "best")[0]
    with pytest.raises(LookupError, match="there is no checkpoint"):
        kept_arrays(tmp_path / "nothing", "best")


def test_outputs_are_shown_once_an_epoch_in_evaluation_mode_on_the_labels_that_training_sees(
    make_trial: Callable[..., Trial], lane_of: Callable[..., LaneAndTrial], make_array: Callable[..., LaneArray],
    digits: TaskData, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shown: list[tuple[int, Tensor, Tensor]] = []
    lane, trial = lane_of("a", make_trial(epochs=2))
    array = make_array((with_loss(lane, Watching(0.5)), trial), lane_of("b", make_trial(epochs=2, seed=1)))
    modes = []
    monkeypatch.setattr(
        Watching, "end_epoch", lambda self, *seen: shown.append(seen) or modes.append(array.module.training)
    )
    array.advance()
    array.advance()
    assert modes == [False, False]
    assert [epoch for epoch, _, _ in shown] == [1, 2]
    _, logits, targets = shown[-1]
    assert torch.equal(targets, torch.tensor(digits.train_labels))
    net = make_model(**trial["model"], image_shape=(1, 8, 8), num_classes=10, seed=0).double()
    net.load_state_dict(
        {n.removeprefix("network."): t for n, t in array.save("a").last.items() if n.startswith("network.")}
    )
    images = torch.tensor(digits.pool.images).double()[torch.tensor(digits.train_index)]
    images = (images - images.mean()) / images.std(correction=0)
    torch.testing.assert_close(logits, net(images).detach(), rtol=0, atol=1e-10)


def test_no_pass_over_the_training_images_without_a_loss_that_watches(
    make_trial: Callable[..., Trial], lane_of: Callable[..., LaneAndTrial], make_array: Callable[..., LaneArray]
) -> None:
    array = make_array(lane_of("a", make_trial()))
    seen = []
    evaluate = array.program.networks.evaluate
    array.program.networks.evaluate = lambda images: seen.append(len(images)) or evaluate(images)
    array.advance()
    assert sum(seen) == array.data.num_val


# -- labels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train_labels", "val_labels", "clean_val_labels"])
@pytest.mark.parametrize("label", [-1, 10])
def test_label_that_is_no_class_is_refused_when_the_lane_is_made(
    make_trial: Callable[..., Trial], lane_of: Callable[..., LaneAndTrial], name: str, label: int
) -> None:
    lane, _ = lane_of("a", make_trial())
    labels = getattr(lane, name).clone()
    labels[5] = label
    with pytest.raises(ValueError, match=f"{name} hold label {label}; 10 classes have labels 0 to 9"):
        dataclasses.replace(lane, **{name: labels})
