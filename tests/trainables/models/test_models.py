"""Networks by name: their size, what determines their weights, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from trainables.models import MODELS, check_model, make_model

DIGITS = {"image_shape": (1, 8, 8), "num_classes": 10}


def flat(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


@pytest.mark.parametrize("name", list(MODELS))
def test_seed_alone_determines_the_weights(name: str) -> None:
    torch.manual_seed(1)
    first = flat(make_model(name, **DIGITS, seed=5))
    torch.manual_seed(2)
    again, other = flat(make_model(name, **DIGITS, seed=5)), flat(make_model(name, **DIGITS, seed=6))
    assert torch.equal(first, again)
    assert (first != other).float().mean() > 0.99


@pytest.mark.parametrize("name", list(MODELS))
def test_making_a_network_leaves_the_global_generator_where_it_was(name: str) -> None:
    before = torch.get_rng_state()
    make_model(name, **DIGITS, seed=5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize(("shape", "classes"), [((1, 8, 8), 10), ((3, 32, 32), 100), ((2, 9, 5), 2)])
def test_network_adapts_to_image_shape_and_number_of_classes(
    name: str, shape: tuple[int, int, int], classes: int
) -> None:
    net = make_model(name, image_shape=shape, num_classes=classes, seed=0)
    assert net(torch.zeros(4, *shape)).shape == (4, classes)


@pytest.mark.parametrize(
    ("name", "arguments", "parameters"),
    [
        ("small_cnn", {}, 13_706),
        ("mlp", {}, 64 * 128 + 128 + 128 * 10 + 10),
        ("mlp", {"hidden": 7, "depth": 3}, 64 * 7 + 7 + 2 * (7 * 7 + 7) + 7 * 10 + 10),
    ],
)
def test_network_has_the_parameters_its_description_states(
    name: str, arguments: dict[str, int], parameters: int
) -> None:
    assert flat(make_model(name, **DIGITS, seed=0, **arguments)).numel() == parameters


@pytest.mark.parametrize("name", list(MODELS))
def test_catalogues_defaults_are_the_networks_own(name: str) -> None:
    given = make_model(name, **DIGITS, seed=3, **MODELS[name].arguments)
    assert torch.equal(flat(given), flat(make_model(name, **DIGITS, seed=3)))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("small_cn", {}, r"unknown model 'small_cn'; did you mean 'small_cnn'\? models: age_cnn, .*, torchvision"),
        ("mlp", {"hiden": 4}, r"unknown argument 'hiden'; did you mean 'hidden'\?"),
        ("mlp", {"hidden": 0}, r"hidden = 0 is not one of 1, 2, \.\.\.: units of a hidden layer"),
        ("mlp", {"depth": 1.5}, r"depth = 1\.5 is not a whole number"),
        ("small_cnn", {"width": True}, "width = True is not a whole number"),
    ],
)
def test_impossible_network_is_refused_by_name(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_model(name, arguments)
    with pytest.raises(ValueError, match=message):
        make_model(name, **DIGITS, seed=0, **arguments)


def test_images_too_small_to_be_halved_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4x4 pixels; these are 3x8"):
        make_model("small_cnn", image_shape=(1, 3, 8), num_classes=10, seed=0)


@pytest.mark.parametrize("hidden", [10**6, 10**12, 2**62, 2**70], ids=["4 TB", "256 TB", "2^62", "2^70"])
def test_network_too_large_for_memory_is_refused_in_a_sentence(hidden: int) -> None:
    with pytest.raises(ValueError, match=rf"^model 'mlp' with hidden = {hidden}, depth = 2 does not fit into memory$"):
        make_model("mlp", **DIGITS, seed=0, hidden=hidden, depth=2)


def test_error_that_is_not_about_memory_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> torch.nn.Module:
        raise RuntimeError("something else")

    monkeypatch.setattr("trainables.models.mlp.MLP", broken)
    with pytest.raises(RuntimeError, match="something else"):
        make_model("mlp", **DIGITS, seed=0)


@pytest.mark.parametrize(
    ("name", "arguments", "blocks"),
    [("small_cnn", {}, ("conv1", "conv2")), ("mlp", {}, ("2",)), ("mlp", {"depth": 3}, ("2", "4", "6"))],
)
def test_network_states_its_blocks(name: str, arguments: dict[str, int], blocks: tuple[str, ...]) -> None:
    net = make_model(name, **DIGITS, seed=0, **arguments)
    assert net.blocks == blocks
    assert set(blocks) <= {name for name, _ in net.named_modules()}
