"""Networks by name: what determines their weights, what they adapt to, what is refused."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest
import torch

from trainables.models import MODELS, check_fits, check_model, complete_model, get_model, make_model, smallest

DIGITS = {"image_shape": (1, 8, 8), "num_classes": 10}
KINDS = ["mlp", "small_cnn", "lenet", "age_cnn", "vgg", "resnet_cifar", "preact_resnet", "wide_resnet"]


def flat(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def small(name: str, seed: int = 5, **images: Any) -> torch.nn.Module:
    tiny, arguments = smallest(name)
    given = {"image_shape": MODELS[name].usual_image, "num_classes": 10} | images
    return make_model(tiny, **given, seed=seed, **arguments)


@pytest.mark.parametrize("name", KINDS)
def test_seed_alone_determines_the_weights(name: str) -> None:
    torch.manual_seed(1)
    first = {name: p.detach() for name, p in small(name).named_parameters()}
    torch.manual_seed(2)
    again, other = dict(small(name).named_parameters()), dict(small(name, seed=6).named_parameters())
    for key, weights in first.items():
        assert torch.equal(weights, again[key])
        if key.endswith("weight") and weights.dim() > 1:  # BatchNorm starts alike
            assert (weights != other[key]).float().mean() > 0.99


@pytest.mark.parametrize("name", KINDS)
def test_making_a_network_leaves_the_global_generator_where_it_was(name: str) -> None:
    before = torch.get_rng_state()
    small(name)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("larger", [(0, 0), (4, 0), (1, 7)])
def test_network_adapts_to_channels_image_size_and_number_of_classes(
    name: str, channels: int, larger: tuple[int, int]
) -> None:
    side = MODELS[name].smallest_side
    shape = (channels, side + larger[0], side + larger[1])
    net = small(name, image_shape=shape, num_classes=7)
    assert net(torch.zeros(4, *shape)).shape == (4, 7)


@pytest.mark.parametrize("name", [name for name in KINDS if MODELS[name].smallest_side > 1])
def test_images_a_pixel_too_small_are_refused_in_a_line_that_names_the_rule(name: str) -> None:
    side, tiny = MODELS[name].smallest_side, smallest(name)
    shape = (1, side - 1, side + 9)
    message = rf"^{tiny[0]} needs images of at least {side}x{side} pixels; these are {side - 1}x{side + 9}: choose"
    with pytest.raises(ValueError, match=message):
        small(name, image_shape=shape)
    with pytest.raises(ValueError, match=message):
        check_fits(tiny[0], image_shape=shape, num_classes=10, **tiny[1])
    check_fits(tiny[0], image_shape=(1, side, side), num_classes=10, **tiny[1])


@pytest.mark.parametrize("name", list(MODELS))
def test_catalogues_defaults_are_the_networks_own(name: str) -> None:
    model = MODELS[name]
    module, _, attribute = model.made_by.partition(":")
    own = inspect.signature(getattr(import_module(module), attribute)).parameters
    assert {*own} - {"image_shape", "num_classes", *model.given} == {*model.arguments, *model.fixed}
    if not model.base and name in KINDS:
        assert {key: own[key].default for key in model.arguments} == model.complete({})


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("small_cn", {}, r"unknown model 'small_cn'; did you mean 'small_cnn'\? models: age_cnn, .*, torchvision"),
        ("mlp", {"hiden": 4}, r"unknown argument 'hiden'; did you mean 'hidden'\?"),
        ("mlp", {"hidden": 0}, r"hidden = 0 is not one of 1, 2, \.\.\.: units of a hidden layer"),
        ("mlp", {"depth": 1.5}, r"depth = 1\.5 is not a whole number"),
        ("small_cnn", {"width": True}, "width = True is not a whole number"),
        ("resnet_cifar", {"depth": 18}, r"depth = 18 is not one of 8, 14, \.\.\.: layers with weights: 6 n \+ 2"),
        ("resnet_cifar", {"shortcut": "C"}, r"unknown shortcut 'C'; choices: A, B"),
        ("resnet20", {"depth": 32}, "depth is 20 in model 'resnet20'; to set it, name the model resnet_cifar"),
        ("wide_resnet", {"depth": 26}, r"depth = 26 is not one of 10, 16, \.\.\.: layers with weights: 6 n \+ 4"),
        ("wide_resnet", {"dropout": 1.0}, r"dropout = 1 is outside \[0, 1\)"),
        ("vgg16", {"batch_norm": 1}, "batch_norm = 1 is neither true nor false"),
        ("vgg", {"depth": 15}, r"depth = 15 is not one of 8, 12, \.\.\.: layers with weights: 4 m"),
        ("resnet34", {"stem": "small"}, r"unknown stem 'small'; did you mean 'auto'\?|unknown stem 'small'; choices"),
    ],
)
def test_impossible_network_is_refused_by_name(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_model(name, arguments)
    with pytest.raises(ValueError, match=message):
        make_model(name, image_shape=(3, 32, 32), num_classes=10, seed=0, **arguments)
    with pytest.raises(ValueError, match=message):
        complete_model(name, arguments)


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
    [
        ("small_cnn", {}, ("conv1", "conv2")),
        ("mlp", {}, ("2",)),
        ("mlp", {"depth": 3}, ("2", "4", "6")),
        ("lenet", {}, ("conv_1", "conv_2")),
        ("age_cnn", {"width": 1}, ("conv_1", "conv_2", "conv_3")),
        ("vgg16", {"width": 1}, ("conv_1", "conv_2", "conv_3", "conv_4")),
        ("resnet20", {"width": 1}, ("conv_1", "conv_2", "conv_3", "conv_4")),
        ("preact_resnet3", {"width": 1}, ("conv_1", "conv_2", "conv_3", "conv_4")),
        ("wide_resnet", {"width": 1, "depth": 10}, ("conv_1", "conv_2", "conv_3", "conv_4")),
        ("torchvision.resnet18", {}, ("layer1", "layer2", "layer3", "layer4")),
    ],
)
def test_network_states_its_blocks(name: str, arguments: dict[str, int], blocks: tuple[str, ...]) -> None:
    shape = get_model(name).usual_image
    net = make_model(name, image_shape=shape, num_classes=10, seed=0, device="meta", **arguments)
    assert net.blocks == blocks
    assert set(blocks) <= {name for name, _ in net.named_modules()}


# -- one network, one spelling ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "complete"),
    [
        ("mlp", {"hidden": 8}, {"name": "mlp", "hidden": 8, "depth": 1}),
        ("resnet56", {}, {"name": "resnet_cifar", "depth": 56, "width": 16, "shortcut": "A"}),
        ("resnet_cifar", {"depth": 56}, {"name": "resnet_cifar", "depth": 56, "width": 16, "shortcut": "A"}),
        ("wrn28_12", {"dropout": 0}, {"name": "wide_resnet", "depth": 28, "width": 12, "dropout": 0.0}),
        ("resnet34", {}, {"name": "torchvision.resnet34", "stem": "auto"}),
        ("torchvision.resnet34", {}, {"name": "torchvision.resnet34", "stem": "auto"}),
    ],
)
def test_completed_network_is_the_same_however_it_was_spelled(
    name: str, arguments: dict[str, Any], complete: dict[str, Any]
) -> None:
    found = complete_model(name, arguments)
    assert found == complete
    assert [type(value) for value in found.values()] == [type(complete[key]) for key in found]
    assert complete_model(found.pop("name"), found) == complete


@pytest.mark.parametrize("name", list(MODELS))
def test_completed_network_is_complete(name: str) -> None:
    described = complete_model(name, {})
    base = described.pop("name")
    assert described.keys() == get_model(base).arguments.keys()


def test_preset_is_its_base_with_the_fixed_arguments() -> None:
    images = {"image_shape": (3, 8, 8), "num_classes": 10, "seed": 3}
    preset = make_model("resnet20", **images, width=2)
    assert torch.equal(flat(preset), flat(make_model("resnet_cifar", **images, depth=20, width=2)))


@pytest.mark.parametrize("name", list(MODELS))
def test_smallest_of_its_kind_is_small_and_takes_the_same_images(name: str) -> None:
    tiny, arguments = smallest(name)
    assert complete_model(tiny, arguments)["name"] in (get_model(name).base or name, "resnet_cifar")
    net = make_model(tiny, image_shape=MODELS[name].usual_image, num_classes=10, seed=0, **arguments)
    assert flat(net).numel() < 100_000


def test_smallest_of_a_network_of_unknown_kind_is_itself() -> None:
    assert smallest("torchvision.alexnet") == ("torchvision.alexnet", {})
