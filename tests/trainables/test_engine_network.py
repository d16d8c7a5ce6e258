"""A lane's network: dropout of its own, frozen weights, what cannot be trained."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

from trainables.engine.checkpoint import write_checkpoint
from trainables.engine.checkpoint_files import network_weights
from trainables.engine.dropout import LaneDropout, use_lane_dropout
from trainables.engine.lane import Lane, LaneState
from trainables.engine.lanes import LaneArray
from trainables.trial import Trial

LaneAndTrial = tuple[Lane, Trial]
EPOCHS = 2


class Dropping(nn.Module):
    """A user's network with dropout of elements and of channels, one of them used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.channels = nn.Conv2d(1, 8, 3, padding=1), nn.Dropout2d(0.25)
        self.hidden, self.elements = nn.Linear(8 * 16, 16), nn.Dropout(0.5)
        self.output = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.channels(F.max_pool2d(F.relu(self.conv(images)), 2))
        return self.output(self.elements(F.relu(self.hidden(self.elements(x.flatten(1))))))


class Functional(Dropping):
    """Dropout as a function, whose masks nobody can give to a lane."""

    def forward(self, images: Tensor) -> Tensor:
        return F.dropout(super().forward(images), training=self.training)


class Frozen(nn.Module):
    """A user's network whose first layer stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.output = nn.Linear(64, 16), nn.Linear(16, 10)
        self.features.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(F.relu(self.features(images.flatten(1))))


class AllFrozen(Frozen):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)


@pytest.fixture
def use_network(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[nn.Module]], None]:
    def use(network: type[nn.Module]) -> None:
        def make(name: str, *, seed: int, **_: object) -> nn.Module:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return network()

        monkeypatch.setattr("trainables.engine.network.make_model", make)

    return use


@pytest.fixture
def lanes(make_trial: Callable[..., Trial], lane_of: Callable[..., LaneAndTrial]) -> list[LaneAndTrial]:
    families = ["ce", "tce", "ce", "label_smoothing"]
    return [lane_of(str(i), make_trial(family, epochs=EPOCHS, seed=i)) for i, family in enumerate(families)]


def train(make_array: Callable[..., LaneArray], lanes: list[LaneAndTrial]) -> dict[str, LaneState]:
    array = make_array(*lanes)
    for _ in range(EPOCHS):
        array.advance()
    return {key: array.save(key) for key in array.keys}


def assert_same(ours: LaneState, expected: LaneState, tolerance: float) -> None:
    assert ours.last.keys() == expected.last.keys()
    for name, tensor in expected.last.items():
        torch.testing.assert_close(ours.last[name], tensor, rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")
    assert [m["train_loss"] for m in ours.history] == pytest.approx(
        [m["train_loss"] for m in expected.history], rel=0, abs=tolerance
    )


# -- dropout ------------------------------------------------------------------------------------------------------


def test_lane_with_dropout_among_four_in_any_order_equals_lane_alone(
    use_network: Callable[..., None], lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray]
) -> None:
    use_network(Dropping)
    alone = {lane[0].key: train(make_array, [lane])[lane[0].key] for lane in lanes}
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 0]):
        for key, state in train(make_array, [lanes[i] for i in order]).items():
            assert_same(state, alone[key], 1e-12)


def test_lane_with_dropout_saved_and_added_again_goes_on_bit_for_bit(
    use_network: Callable[..., None], lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray]
) -> None:
    use_network(Dropping)
    undisturbed, first = train(make_array, lanes[:1])["0"], make_array(lanes[0])
    first.advance()
    state = first.save("0")
    second = make_array(lanes[0])
    second.remove("0")
    second.add(lanes[0][0], state)
    torch.manual_seed(99)  # no mask comes from here
    second.advance()
    assert_same(second.save("0"), undisturbed, 0)


def test_dropout_trains_otherwise_than_without_and_leaves_no_trace_in_the_weights(
    use_network: Callable[..., None], lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray], tmp_path: object
) -> None:
    use_network(Dropping)
    with_dropout = train(make_array, lanes[:1])["0"]
    write_checkpoint(tmp_path, "0", with_dropout)
    Dropping().load_state_dict(load(network_weights(tmp_path, "best")[0]))  # strict: exactly the network's names
    use_network(lambda: Dropping().eval().apply(lambda m: setattr(m, "p", 0.0) if hasattr(m, "p") else None))
    without = train(make_array, lanes[:1])["0"]
    assert with_dropout.history[-1]["train_loss"] > without.history[-1]["train_loss"]


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_elements_are_dropped_at_the_rate_asked_for_and_the_rest_scaled(p: float) -> None:
    dropout, x = LaneDropout(p), torch.ones(200, 500)
    dropout.mask_seed.fill_(1 << 40)
    y = dropout(x)
    rate = float((y == 0).float().mean())
    assert rate == pytest.approx(p, abs=4 * (p * (1 - p) / x.numel()) ** 0.5)
    assert (
        set(y.unique().tolist()) <= {0.0, 1.0} if p in (0, 1) else torch.allclose(y[y != 0], torch.tensor(1 / (1 - p)))
    )
    assert torch.equal(dropout.eval()(x), x)


def test_masks_of_seeds_calls_and_positions_are_uncorrelated() -> None:
    masks = []
    for seed in (1, 2, 1 << 32, 3 << 32):
        dropout = LaneDropout(0.5)
        dropout.mask_seed.fill_(seed)
        masks += [dropout(torch.ones(40_000)) for _ in range(3)]
    signs = torch.stack(masks) - 1
    signs = torch.cat([signs, signs[:1].roll(1, 1), signs[:1].roll(256, 1)])  # against itself, shifted
    correlation = signs @ signs.T / signs.shape[1]
    off_diagonal = correlation[~torch.eye(len(signs), dtype=torch.bool)]
    assert off_diagonal.abs().max() < 4.5 / signs.shape[1] ** 0.5


def test_channels_are_dropped_whole() -> None:
    dropout = LaneDropout(0.5, whole_channels=True)
    y = dropout(torch.rand(8, 16, 5, 5) + 0.1)
    dropped = y.eq(0).flatten(2)
    assert torch.equal(dropped.any(-1), dropped.all(-1))
    assert 0 < dropped.all(-1).float().mean() < 1


def test_every_dropout_is_replaced_and_one_used_twice_stays_one() -> None:
    shared = nn.Dropout(0.3)
    network = nn.Sequential(shared, nn.Sequential(nn.Dropout2d(0.1), shared), nn.ModuleDict({"a": nn.Dropout1d(0.2)}))
    use_lane_dropout(network)
    assert [(m.p, m.whole_channels) for m in network.modules() if isinstance(m, LaneDropout)] == [
        (0.3, False), (0.1, True), (0.2, True),
    ]  # fmt: skip
    assert network[0] is network[1][1]
    assert network.state_dict() == {}


def test_dropout_as_a_function_trains_alone_and_is_refused_beside_others(
    use_network: Callable[..., None], lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray]
) -> None:
    use_network(Functional)
    assert train(make_array, lanes[:1])["0"].epoch == EPOCHS
    with pytest.raises(ValueError, match=r"F\.dropout.*cannot train beside others: use nn\.Dropout"):
        train(make_array, lanes)


# -- frozen and impossible networks -------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 3])
def test_frozen_weights_stay_are_kept_and_move_with_their_lane(
    use_network: Callable[..., None], lanes: list[LaneAndTrial], make_array: Callable[..., LaneArray], width: int
) -> None:
    use_network(Frozen)
    array = make_array(*lanes[:width])
    start = copy.deepcopy(array.save("0").last)
    array.advance()
    state = array.save("0")
    for name in ("network.features.weight", "network.features.bias"):
        assert torch.equal(state.last[name], start[name])
    assert not torch.equal(state.last["network.output.weight"], start["network.output.weight"])
    assert "optimizer.momentum.output.weight" in state.last
    assert "optimizer.momentum.features.weight" not in state.last
    array.remove("0")
    array.add(lanes[0][0], state)
    array.advance()
    assert_same(array.save("0"), train(make_array, lanes[:1])["0"], 1e-12)


@pytest.mark.parametrize("network", [nn.Flatten, AllFrozen])
def test_network_with_nothing_to_train_is_refused(
    use_network: Callable[..., None],
    lanes: list[LaneAndTrial],
    make_array: Callable[..., LaneArray],
    network: type[nn.Module],
) -> None:
    use_network(network)
    with pytest.raises(ValueError, match="model 'mlp' has no weights to train"):
        make_array(lanes[0])


# -- bfloat16 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["mlp", "small_cnn"])
@pytest.mark.parametrize("width", [1, 3])
def test_bf16_trains_weights_of_single_precision_to_nearly_the_same(
    make_trial: Callable[..., Trial],
    lane_of: Callable[..., LaneAndTrial],
    make_array: Callable[..., LaneArray],
    model: str,
    width: int,
) -> None:
    curves = {}
    for precision in ("float32", "bf16"):
        lanes = [
            lane_of(str(i), make_trial("tce", model=model, precision=precision, epochs=EPOCHS, seed=i))
            for i in range(width)
        ]
        states = train(make_array, lanes)
        assert {t.dtype for n, t in states["0"].last.items() if n.startswith("network.")} == {torch.float32}
        curves[precision] = [metrics["train_loss"] for metrics in states["0"].history]
    assert curves["bf16"] != curves["float32"]
    assert curves["bf16"] == pytest.approx(curves["float32"], rel=0.02)


def test_lane_in_bf16_among_others_is_nearly_the_lane_alone(
    make_trial: Callable[..., Trial], lane_of: Callable[..., LaneAndTrial], make_array: Callable[..., LaneArray]
) -> None:
    lanes = [lane_of(str(i), make_trial("ce", model="small_cnn", precision="bf16", seed=i)) for i in range(3)]
    together, alone = train(make_array, lanes)["1"], train(make_array, lanes[1:2])["1"]
    for found, wanted in zip(together.history, alone.history, strict=True):
        assert found["train_loss"] == pytest.approx(wanted["train_loss"], rel=0.02)
        assert found["val_loss_clean"] == pytest.approx(wanted["val_loss_clean"], rel=0.05)
