"""torchvision's networks: adapted, refused in a line, never downloaded."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainables.engine.dropout import LaneDropout, use_lane_dropout
from trainables.models import check_fits, check_model, make_model
from trainables.models.from_torchvision import ImageDropout

SMALL = "torchvision.mobilenet_v3_small"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was downloaded")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (4, 40, 33)])
@pytest.mark.parametrize("name", [SMALL, "torchvision.resnet18", "torchvision.squeezenet1_1"])
def test_network_adapts_to_channels_and_size(name: str, shape: tuple[int, int, int]) -> None:
    net = make_model(name, image_shape=shape, num_classes=7, seed=0)
    assert net(torch.zeros(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("name", ["torchvision.googlenet", "torchvision.vit_b_16", "torchvision.regnet_y_400mf"])
def test_network_that_needs_options_of_its_own_gets_them(name: str) -> None:
    net = make_model(name, image_shape=(1, 64, 64), num_classes=7, seed=0, device="meta").train()
    assert net(torch.zeros(2, 1, 64, 64, device="meta")).shape == (2, 7)


def test_seed_alone_determines_the_weights_also_of_a_replaced_first_layer() -> None:
    nets = [make_model(SMALL, image_shape=(1, 32, 32), num_classes=3, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (dict(net.named_parameters()) for net in nets)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["features.0.0.weight"], other["features.0.0.weight"])


@pytest.mark.parametrize(
    ("stem", "side", "cifar"),
    [("auto", 32, True), ("auto", 64, True), ("auto", 65, False), ("imagenet", 32, False), ("cifar", 96, True)],
)
def test_stem_for_small_images_is_taken_up_to_64_pixels_or_as_asked(stem: str, side: int, cifar: bool) -> None:
    net = make_model("resnet34", image_shape=(3, side, side), num_classes=10, seed=0, device="meta", stem=stem)
    assert net.conv1.kernel_size == ((3, 3) if cifar else (7, 7))
    assert net.conv1.stride == ((1, 1) if cifar else (2, 2))
    assert isinstance(net.maxpool, nn.Identity if cifar else nn.MaxPool2d)
    shapes: list[torch.Size] = []
    net.layer4.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))
    net.eval()(torch.zeros(1, 3, side, side, device="meta"))
    assert shapes[0][-1] == -(-side // (8 if cifar else 32))


@pytest.mark.parametrize("name", ["torchvision.alexnet", "torchvision.inception_v3", "torchvision.maxvit_t"])
def test_images_that_a_network_cannot_take_are_refused_in_a_line(name: str) -> None:
    for refuse in (check_fits, make_model):
        seed = {"seed": 0, "device": "meta"} if refuse is make_model else {}
        with pytest.raises(
            ValueError, match=rf"^model '{name}' cannot take images of 32x32 pixels and 1 channels \(.+\)"
        ):
            refuse(name, image_shape=(1, 32, 32), num_classes=10, **seed)
    check_fits(SMALL, image_shape=(1, 32, 32), num_classes=10)


def test_name_that_torchvision_does_not_have_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown torchvision model 'mobilenetv2'; did you mean 'mobilenet_v2'\?"):
        check_model("torchvision.mobilenetv2", {})
    with pytest.raises(ValueError, match="unknown argument 'stem'"):
        check_model(SMALL, {"stem": "cifar"})


def test_stochastic_depth_becomes_dropout_of_whole_images_that_a_lane_draws_itself() -> None:
    net = make_model("torchvision.efficientnet_b0", image_shape=(3, 32, 32), num_classes=4, seed=0, device="meta")
    branches = [module for module in net.modules() if isinstance(module, ImageDropout)]
    assert len(branches) == 16
    assert branches[-1].dropout.p == pytest.approx(0.2 * 15 / 16)
    dropped = nn.Sequential(ImageDropout(0.5))
    use_lane_dropout(dropped)
    assert isinstance(dropped[0].dropout, LaneDropout)
    out = dropped.train()(torch.ones(64, 3, 2, 2))
    assert set(out.flatten(1).mean(1).tolist()) == {0.0, 2.0}
    assert all(image.unique().numel() == 1 for image in out)
