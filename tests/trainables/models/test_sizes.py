"""Networks are as large as their papers say, and are measured without their weights."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from trainables.models import MODELS, make_model
from trainables.models.measure import measure

COLOUR, GREY, IMAGENET = (3, 32, 32), (1, 28, 28), (3, 224, 224)


@pytest.mark.parametrize(
    ("name", "millions"),
    [("resnet20", 0.27), ("resnet32", 0.46), ("resnet44", 0.66), ("resnet56", 0.85), ("resnet110", 1.7)],
)
def test_residual_networks_have_the_parameters_of_he_et_al_table_6(name: str, millions: float) -> None:
    size = measure(name, image_shape=COLOUR, num_classes=10)
    assert size.parameters / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize(("name", "millions"), [("wrn28_10", 36.5), ("wrn28_12", 52.5)])
def test_wide_residual_networks_have_the_parameters_of_their_paper(name: str, millions: float) -> None:
    assert round(measure(name, image_shape=COLOUR, num_classes=10).parameters / 1e6, 1) == millions


@pytest.mark.parametrize(
    ("depth", "width", "millions"), [(40, 1, 0.6), (40, 2, 2.2), (40, 4, 8.9), (16, 8, 11.0), (22, 8, 17.2)]
)
def test_wide_residual_networks_of_any_depth_and_width_have_those_of_zagoruyko_table_4(
    depth: int, width: int, millions: float
) -> None:
    size = measure("wide_resnet", image_shape=COLOUR, num_classes=10, depth=depth, width=width)
    assert round(size.parameters / 1e6, 1) == pytest.approx(millions, abs=0.11)


@pytest.mark.parametrize(("name", "parameters"), [
    ("resnet34", 21_797_672), ("resnet50", 25_557_032), ("resnet152", 60_192_808),
    ("torchvision.mobilenet_v3_small", 2_542_856), ("torchvision.regnet_y_400mf", 4_344_144),
])  # fmt: skip
def test_torchvisions_networks_have_the_parameters_that_it_documents(name: str, parameters: int) -> None:
    assert measure(name, image_shape=IMAGENET, num_classes=1000).parameters == parameters


@pytest.mark.parametrize(
    ("name", "shape", "classes", "parameters"),
    [
        ("small_cnn", (1, 8, 8), 10, 13_706),
        ("mlp", (1, 8, 8), 10, 64 * 128 + 128 + 128 * 10 + 10),
        ("lenet", GREY, 10, 61_706),
        ("lenet", COLOUR, 10, 62_006),
        ("lenet", COLOUR, 96, 62_006 + 86 * 85),
        ("age_cnn", (3, 60, 60), 90, 1_520 + 39_240 + 387_280 + 9_720 + 90 * 121),
    ],
)
def test_small_networks_have_the_parameters_that_their_layers_add_up_to(
    name: str, shape: tuple[int, int, int], classes: int, parameters: int
) -> None:
    assert measure(name, image_shape=shape, num_classes=classes).parameters == parameters


def test_mlp_of_any_depth_has_the_parameters_that_its_layers_add_up_to() -> None:
    size = measure("mlp", image_shape=(1, 8, 8), num_classes=10, hidden=7, depth=3)
    assert size.parameters == 64 * 7 + 7 + 2 * (7 * 7 + 7) + 7 * 10 + 10


def test_vgg_has_the_convolutions_of_msls_table_1() -> None:
    widths = [3, *[64] * 3, *[128] * 4, *[256] * 4, *[512] * 4]
    convolutions = sum(9 * a * b for a, b in pairwise(widths))
    linear = 512 * 10 + 10
    plain = measure("vgg16", image_shape=COLOUR, num_classes=10, batch_norm=False)
    assert plain.parameters == convolutions + sum(widths[1:]) + linear
    assert (
        measure("vgg16", image_shape=COLOUR, num_classes=10).parameters == convolutions + 2 * sum(widths[1:]) + linear
    )


@pytest.mark.parametrize(("k", "layers"), [(3, 20), (9, 56), (18, 110), (25, 152)])
def test_msls_residual_networks_have_the_layers_that_the_paper_states(k: int, layers: int) -> None:
    """Without projections, so that every matrix of weights is one layer."""
    net = make_model(f"preact_resnet{k}", image_shape=COLOUR, num_classes=10, seed=0, device="meta")
    assert sum(parameter.dim() > 1 for parameter in net.parameters()) == layers


def test_the_wide_network_that_msl_prints_has_28_convolutions_of_its_widths() -> None:
    net = make_model("wrn28_10_msl", image_shape=COLOUR, num_classes=10, seed=0, device="meta")
    widths = [parameter.shape[0] for parameter in net.parameters() if parameter.dim() == 4]
    assert widths == [16, *[160] * 9, *[320] * 9, *[640] * 9]


@pytest.mark.parametrize(
    ("name", "shape", "classes", "millions", "tolerance"),
    [
        ("resnet20", COLOUR, 10, 40.6, 0.06),
        ("lenet", (1, 32, 32), 10, 0.416520, 1e-6),  # 28² 6 25 + 10² 16 150 + 400 120 + 120 84 + 84 10, less padding
        ("wrn28_10", COLOUR, 10, 5_240, 10),
        ("resnet34", IMAGENET, 1000, 3_660, 10),
        ("resnet50", IMAGENET, 1000, 4_090, 10),
        ("resnet152", IMAGENET, 1000, 11_510, 10),
    ],
)
def test_multiply_adds_are_the_published_ones(
    name: str, shape: tuple[int, int, int], classes: int, millions: float, tolerance: float
) -> None:
    size = measure(name, image_shape=shape, num_classes=classes)
    assert size.multiply_adds / 1e6 == pytest.approx(millions, abs=tolerance)


def test_a_large_network_is_measured_without_making_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[Any] = []
    monkeypatch.setattr(
        "trainables.models.measure.make_model",
        lambda *given, **named: kinds.append(net := make_model(*given, **named)) or net,
    )
    started = time.perf_counter()
    measure("wrn28_12", image_shape=COLOUR, num_classes=10)
    assert time.perf_counter() - started < 20
    assert {parameter.device.type for parameter in kinds[0].parameters()} == {"meta"}


@pytest.mark.parametrize("name", ["mlp", "small_cnn", "lenet", "age_cnn", "resnet20", "preact_resnet9"])
def test_sizes_counted_on_shapes_alone_are_those_of_the_network_itself(name: str) -> None:
    shape = MODELS[name].usual_image
    net = make_model(name, image_shape=shape, num_classes=10, seed=0)
    assert sum(p.numel() for p in net.parameters()) == measure(name, image_shape=shape, num_classes=10).parameters
