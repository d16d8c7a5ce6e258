"""What the papers say of a network's layers: shortcuts, pooling, initial weights, where modules attach."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from trainables.models import make_model
from trainables.models.attached import attach, chosen_blocks
from trainables.models.residual import PreActivationBlock, ZeroPadding

IMAGES = {"image_shape": (3, 16, 16), "num_classes": 10}


def test_shortcut_a_takes_every_second_pixel_and_pads_channels_with_zeros() -> None:
    x = torch.randn(2, 3, 6, 6)
    padded = ZeroPadding(stride=2, more=3)(x)
    assert padded.shape == (2, 6, 3, 3)
    assert torch.equal(padded[:, :3], x[:, :, ::2, ::2])
    assert not padded[:, 3:].any()


@pytest.mark.parametrize("name", ["resnet_cifar", "preact_resnet"])
def test_shortcut_b_adds_two_projections_and_a_none(name: str) -> None:
    kernels = {
        shortcut: sorted(
            tuple(p.shape)
            for p in make_model(name, **IMAGES, seed=0, width=4, shortcut=shortcut).parameters()
            if p.dim() == 4 and p.shape[-1] == 1
        )
        for shortcut in "AB"
    }
    assert kernels == {"A": [], "B": [(8, 4, 1, 1), (16, 8, 1, 1)]}


def test_residual_network_without_residuals_is_its_shortcuts() -> None:
    """With the second BatchNorm of each block at zero, only identity, every second pixel and zeros are left."""
    net = make_model("resnet_cifar", **IMAGES, seed=0, depth=14, width=4).eval()
    for name, parameter in net.named_parameters():
        if name.endswith("norm2.weight"):
            nn.init.zeros_(parameter)
    images = torch.randn(2, 3, 16, 16)
    features = net.conv_1(images)[:, :, ::4, ::4].mean((-2, -1))
    expected = net.head.linear(F.pad(features, (0, 12)))
    torch.testing.assert_close(net(images), expected)


def test_pre_activation_block_without_residual_is_the_identity() -> None:
    block = PreActivationBlock(4, 4).eval()
    nn.init.zeros_(block.convolutions[-1].weight)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), x)


def test_projection_of_a_pre_activation_block_sees_what_was_normalised_and_rectified() -> None:
    block = PreActivationBlock(4, 8, 2, shortcut="B").eval()
    nn.init.zeros_(block.convolutions[-1].weight)
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(block(x), block.projection(F.relu(x / math.sqrt(1 + 1e-5))))


@pytest.mark.parametrize(("name", "sides"), [
    ("vgg16", [16, 8, 4, 2]), ("preact_resnet3", [16, 8, 4, 2]), ("resnet20", [16, 16, 8, 4]),
    ("wide_resnet", [16, 16, 8, 4]),
])  # fmt: skip
def test_stages_have_the_papers_widths_and_sides(name: str, sides: list[int]) -> None:
    width = 1 if name == "wide_resnet" else 4
    first = {"vgg16": [4, 8, 16, 32], "wide_resnet": [16, 16, 32, 64]}.get(name, [4, 4, 8, 16])
    net, shapes = make_model(name, **IMAGES, seed=0, width=width), []
    for block in net.blocks:
        net.get_submodule(block).register_forward_hook(lambda m, i, output: shapes.append(tuple(output.shape)))
    net(torch.zeros(2, 3, 16, 16))
    assert shapes == [(2, channels, side, side) for channels, side in zip(first, sides, strict=True)]


@pytest.mark.parametrize("name", ["vgg16", "resnet20", "preact_resnet3", "wide_resnet"])
def test_convolutions_start_as_he_et_al_draw_them_and_the_head_without_bias(name: str) -> None:
    net = make_model(name, **IMAGES, seed=0) if name != "wide_resnet" else make_model(name, **IMAGES, seed=0, width=1)
    seen = 0
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 2000:
            wanted = math.sqrt(2 / (module.out_channels * module.kernel_size[0] ** 2))
            assert module.weight.std().item() == pytest.approx(wanted, rel=0.1)
            assert abs(module.weight.mean().item()) < 4 * wanted / math.sqrt(module.weight.numel())
            seen += 1
        if isinstance(module, nn.Linear):
            assert not module.bias.any()
    assert seen >= 10


@pytest.mark.parametrize("name", ["vgg16", "preact_resnet3", "wrn28_10_msl", "wide_resnet", "resnet20"])
@pytest.mark.parametrize(
    ("modules", "attached"),
    [
        ("last", []), ("conv_3", ["conv_3"]), ("conv_2", ["conv_2"]), ("conv_1", ["conv_1"]),
        ("conv_2+conv_3", ["conv_2", "conv_3"]), ("conv_1+conv_3", ["conv_1", "conv_3"]),
        ("all", ["conv_1", "conv_2", "conv_3"]), (["conv_2", "conv_3", "conv_4"], ["conv_2", "conv_3"]),
    ],
    ids=["config 1", "config 2", "config 3", "config 4", "config 5", "config 6", "config 7", "with conv_4"],
)  # fmt: skip
def test_configurations_of_msls_table_2_can_be_named(name: str, modules: str | list[str], attached: list[str]) -> None:
    net = make_model(name, **IMAGES, seed=0, device="meta")
    assert chosen_blocks(net, modules) == tuple(attached)


def test_network_with_all_of_msls_modules_gives_four_logits() -> None:
    net = attach(make_model("vgg", **IMAGES, seed=0, depth=8, width=2), "all", **IMAGES, seed=0)
    logits = net(torch.randn(2, 3, 16, 16))
    assert [tuple(each.shape) for each in logits] == [(2, 10)] * 4
    assert [head.in_features for head in net.attached] == [2, 4, 8]


@pytest.mark.parametrize(("shape", "side"), [((1, 28, 28), 5), ((3, 32, 32), 5), ((3, 36, 36), 6), ((1, 12, 12), 1)])
def test_lenet_pads_small_images_as_the_first_lenet_did(shape: tuple[int, int, int], side: int) -> None:
    net = make_model("lenet", image_shape=shape, num_classes=10, seed=0)
    assert net.hidden_1.in_features == 16 * side**2


def test_dropout_of_a_wide_residual_network_stands_between_the_convolutions_of_each_block() -> None:
    net = make_model("wide_resnet", **IMAGES, seed=0, depth=16, width=1, dropout=0.3)
    places = [name for name, module in net.named_modules() if isinstance(module, nn.Dropout)]
    assert places == [f"conv_{stage}.{block}.dropouts.1" for stage in (2, 3, 4) for block in (0, 1)]
