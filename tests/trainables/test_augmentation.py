"""Each augmentation against the same thing done slowly, image by image, with the draws that it made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.augmentation import AUGMENTATIONS, STANDARD, make_augmentation, resolve_augment
from trainables.data.datasets import SOURCES
from trainables.engine.augmenting import check_augment

SHAPE = (3, 9, 12)
COUNT = 40


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=["uint8", "float32", "float64"])
def images(request: pytest.FixtureRequest) -> Tensor:
    raw = torch.randint(0, 256, (COUNT, *SHAPE), generator=stream(1), dtype=torch.uint8)
    return raw if request.param == "uint8" else (raw.to(getattr(torch, request.param)) - 128) / 50


def shifted(image: np.ndarray, draw: list[float], pixels: int, mode: str) -> np.ndarray:
    top, left = (int(each) for each in draw)
    padded = np.pad(image, [(0, 0), (pixels, pixels), (pixels, pixels)], mode=mode)
    return padded[:, top : top + SHAPE[1], left : left + SHAPE[2]]


def sampled(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """The image `[ch]` between its pixels, zero outside; places count from the first pixel's centre."""
    result = np.zeros(image.shape[0])
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
                result += image[:, row, column].astype(float) * (1 - abs(y - row)) * (1 - abs(x - column))
    return result


def rotated(image: np.ndarray, draw: list[float]) -> np.ndarray:
    angle, (_, height, width) = math.atan2(draw[1], draw[0]), image.shape
    result = np.zeros(image.shape)
    for row in range(height):
        for column in range(width):
            right, down = column - (width - 1) / 2, row - (height - 1) / 2
            source = complex(right, -down) * complex(math.cos(-angle), math.sin(-angle))  # turned back, y upwards
            result[:, row, column] = sampled(image, source.real + (width - 1) / 2, -source.imag + (height - 1) / 2)
    return result


def cropped(image: np.ndarray, draw: list[float]) -> np.ndarray:
    top, left, height, width = (int(each) for each in draw)
    part = torch.tensor(image[None, :, top : top + height, left : left + width]).double()
    return F.interpolate(part, size=SHAPE[1:], mode="bilinear", align_corners=False)[0].numpy()


def cut(image: np.ndarray, draw: list[float]) -> np.ndarray:
    result = image.copy()
    for row in range(int(draw[0]) - 2, int(draw[0]) + 3):
        for column in range(int(draw[1]) - 2, int(draw[1]) + 3):
            if 0 <= row < SHAPE[1] and 0 <= column < SHAPE[2]:
                result[:, row, column] = 0
    return result


SLOWLY: dict[str, tuple[Any, Callable[[np.ndarray, list[float]], np.ndarray]]] = {
    "shift": ({"name": "shift", "pixels": 3}, lambda image, draw: shifted(image, draw, 3, "constant")),
    "shift reflected": (
        {"name": "shift", "pixels": 8, "padding": "reflect"}, lambda image, draw: shifted(image, draw, 8, "reflect")
    ),
    "mirror": ("mirror", lambda image, draw: image[:, :, ::-1] if draw[0] else image),
    "rotation": ({"name": "rotation", "degrees": 90}, rotated),
    "crop": ("crop", cropped),
    "cutout": ({"name": "cutout", "pixels": 5}, cut),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOWLY)
def test_augmentation_equals_the_same_done_image_by_image(name: str, images: Tensor) -> None:
    described, slowly = SLOWLY[name]
    augmentation = make_augmentation(described, SHAPE)
    draws, before = augmentation.draw(COUNT, stream()), images.clone()
    result = augmentation.apply(images, draws)
    assert result.dtype == images.dtype
    assert torch.equal(images, before)
    assert not torch.equal(result, images)
    for i in range(COUNT):
        expected = slowly(images[i].numpy(), draws[i].tolist())
        tolerance = {torch.uint8: 0.501, torch.float32: 1e-4, torch.float64: 1e-12}[images.dtype]
        if name in ("rotation", "crop"):
            np.testing.assert_allclose(result[i].double(), expected, rtol=0, atol=tolerance)
        else:
            np.testing.assert_array_equal(result[i], expected)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_image_s_change_does_not_depend_on_its_batch_to_the_bit(name: str, images: Tensor) -> None:
    options = {"transform": "RandomHorizontalFlip"} if name == "torchvision" else {}
    augmentation = make_augmentation({"name": name, **options}, SHAPE)
    draws = augmentation.draw(COUNT, stream())
    whole = augmentation.apply(images, draws)
    for size in (1, 7):
        parts = zip(images.split(size), draws.split(size), strict=True)
        assert torch.equal(torch.cat([augmentation.apply(*part) for part in parts]), whole)
    turned = augmentation.apply(images.flip(0), draws.flip(0)).flip(0)
    assert torch.equal(turned, whole)


@pytest.mark.parametrize("name", ["shift", "mirror", "rotation", "crop", "cutout"])
def test_draws_are_determined_by_the_stream(name: str) -> None:
    augmentation = make_augmentation(name, SHAPE)
    assert torch.equal(augmentation.draw(50, stream(3)), augmentation.draw(50, stream(3)))
    assert not torch.equal(augmentation.draw(50, stream(3)), augmentation.draw(50, stream(4)))


# -- what is drawn ------------------------------------------------------------------------------------------------


def test_shift_draws_every_offset_alike_and_moves_a_pixel_by_it() -> None:
    augmentation = make_augmentation({"name": "shift", "pixels": 2}, SHAPE)
    draws = augmentation.draw(25_000, stream())
    counts = np.bincount((draws[:, 0] * 5 + draws[:, 1]).numpy(), minlength=25)
    assert len(counts) == 25
    assert (np.abs(counts - 1000) < 150).all()  # nearly five standard deviations
    image = torch.zeros(25, *SHAPE, dtype=torch.uint8)
    image[:, :, 4, 5] = 255
    places = augmentation.apply(image, torch.cartesian_prod(torch.arange(5), torch.arange(5)))[:, 0].nonzero()[:, 1:]
    assert sorted(map(tuple, places.tolist())) == [(y, x) for y in range(2, 7) for x in range(3, 8)]


def test_mirror_turns_its_share_of_images() -> None:
    for p in (0.0, 0.2, 1.0):
        share = make_augmentation({"name": "mirror", "p": p}, SHAPE).draw(20_000, stream()).double().mean()
        assert share == pytest.approx(p, abs=0.015 if 0 < p < 1 else 0)


def test_rotation_is_counter_clockwise_and_of_at_most_its_degrees() -> None:
    augmentation = make_augmentation({"name": "rotation", "degrees": 30}, (1, 5, 5))
    draws = augmentation.draw(20_000, stream())
    angles = torch.rad2deg(torch.atan2(draws[:, 1], draws[:, 0]))
    assert angles.abs().max() <= 30
    assert (torch.histc(angles, 6, -30, 30) / 20_000).tolist() == pytest.approx([1 / 6] * 6, abs=0.015)
    image = torch.zeros(1, 1, 5, 5)
    image[..., 2, 4] = 1  # on the right
    quarter = augmentation.apply(image, torch.tensor([[0.0, 1.0]], dtype=torch.float64))
    assert quarter[0, 0, 0, 2] == pytest.approx(1, abs=1e-6)  # on top


def test_crop_draws_area_and_shape_in_their_ranges_inside_the_image() -> None:
    augmentation = make_augmentation({"name": "crop", "scale": [0.2, 0.6], "ratio": [0.5, 2]}, (3, 200, 200))
    top, left, height, width = augmentation.draw(20_000, stream()).unbind(1)
    assert (top >= 0).all()
    assert (top + height).max() <= 200
    assert (left >= 0).all()
    assert (left + width).max() <= 200
    whole = (height < 200) & (width < 200)  # a side that was cut takes less than it drew
    share, ratio = (height * width / 40_000)[whole], (width / height)[whole]
    assert (share.min(), share.max()) == pytest.approx((0.2, 0.6), abs=0.01)
    assert (ratio.min(), ratio.max()) == pytest.approx((0.5, 2), abs=0.02)
    assert ratio.log().mean() == pytest.approx(0, abs=0.02)
    assert top[height < 100].max() > 100


def test_crop_of_the_whole_image_leaves_it(images: Tensor) -> None:
    augmentation = make_augmentation({"name": "crop", "scale": [1, 1], "ratio": [12 / 9, 12 / 9]}, SHAPE)
    result = augmentation.apply(images, augmentation.draw(COUNT, stream()))
    torch.testing.assert_close(result, images, rtol=0, atol=1e-5 if images.is_floating_point() else 0)


def test_cutout_s_centre_lies_on_every_pixel_alike() -> None:
    draws = make_augmentation("cutout", (1, 4, 5)).draw(20_000, stream())
    counts = np.bincount((draws[:, 0] * 5 + draws[:, 1]).numpy(), minlength=20)
    assert len(counts) == 20
    assert (np.abs(counts - 1000) < 150).all()


# -- torchvision --------------------------------------------------------------------------------------------------


def test_torchvision_draws_for_each_image_and_leaves_the_global_generator_alone() -> None:
    described = {"name": "torchvision", "transform": "RandomCrop", "arguments": {"size": [9, 12], "padding": 4}}
    augmentation = make_augmentation(described, SHAPE)
    images = torch.randint(1, 256, (1, *SHAPE), dtype=torch.uint8, generator=stream()).repeat(30, 1, 1, 1)
    draws = augmentation.draw(30, stream())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = augmentation.apply(images, draws)
    assert torch.equal(torch.rand(3), expected)
    assert len({image.numpy().tobytes() for image in first}) > 15
    torch.manual_seed(6)
    assert torch.equal(augmentation.apply(images, draws), first)


@pytest.mark.parametrize(
    ("transform", "arguments", "message"),
    [
        ("Resize", {"size": [4, 4]}, "makes a uint8 image of 3 x 4 x 4 of a uint8 image of 3 x 9 x 12"),
        ("ToDtype", {"dtype": "float32"}, "torchvision's ToDtype"),
        ("Normalize", {"mean": [0.5] * 3, "std": [0.5] * 3}, "cannot be applied to a uint8 image of 3 x 9 x 12"),
        ("FiveCrop", {"size": [4, 4]}, "makes tuple of a uint8 image"),
    ],
)
def test_a_transform_that_changes_size_or_type_is_refused(transform: str, arguments: Any, message: str) -> None:
    described = {"name": "torchvision", "transform": transform, "arguments": arguments}
    with pytest.raises(ValueError, match=message):
        check_augment({"augment": [described], "normalise": {"name": "channel"}}, SHAPE)


# -- names and options --------------------------------------------------------------------------------------------

MISTAKES: list[tuple[Any, str]] = [
    ("mirorr", r"unknown augmentation 'mirorr'; did you mean 'mirror'\?"),
    ({"name": "shift", "pixel": 2}, r"unknown option 'pixel'; did you mean 'pixels'\?"),
    ({"name": "shift", "pixels": 2.5}, "shift.pixels = 2.5 is not a whole number of at least 1"),
    ({"name": "shift", "pixels": 9}, "moves an image of 9 x 12 out of itself; it is at most 8"),
    ({"name": "shift", "padding": "reflct"}, r"unknown shift.padding 'reflct'; did you mean 'reflect'\?"),
    ({"name": "mirror", "p": 1.5}, r"mirror.p = 1.5 is outside \[0, 1\]: a probability"),
    ({"name": "rotation", "degrees": "ten"}, "rotation.degrees = 'ten' is not a number"),
    ({"name": "crop", "scale": [0.5, 0.1]}, "the lower number stands first"),
    ({"name": "crop", "scale": [0, 1]}, r"crop.scale = 0 is outside \(0, 1\]"),
    ({"name": "crop", "ratio": 2}, "crop.ratio = 2 is not a pair of numbers"),
    ({"name": "torchvision"}, "torchvision.transform is missing; name a class"),
    ({"name": "torchvision", "transform": "ColorJiter"}, r"did you mean 'ColorJitter'\?"),
    (
        {"name": "torchvision", "transform": "ColorJitter", "arguments": {"brite": 1}},
        "torchvision's ColorJitter does not take {'brite': 1}",
    ),
    (3, "3 is no augmentation; give a name"),
]


@pytest.mark.parametrize(("described", "message"), MISTAKES)
def test_a_mistake_is_refused_in_a_sentence(described: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_augmentation(described, SHAPE)


def test_standard_is_the_papers_list_and_one_setting_has_one_spelling() -> None:
    shift, mirror = {"name": "shift", "pixels": 4, "padding": "zeros"}, {"name": "mirror", "p": 0.5}
    for cifar in ("cifar10", "cifar100"):
        assert resolve_augment("standard", cifar) == [shift, mirror]
    for digits in ("mnist", "svhn"):
        assert resolve_augment(["standard"], digits) == [shift]
    assert resolve_augment("standard", "digits") == [shift | {"pixels": 1}]
    assert resolve_augment([{"name": "shift", "pixels": 4}, {"name": "mirror", "p": 0.5}], "x") == [shift, mirror]
    cutout = {"name": "cutout", "pixels": 8}
    assert resolve_augment(["standard", "cutout"], "cifar10") == [shift, mirror, cutout]
    assert resolve_augment("none", "cifar10") == resolve_augment([], "x") == []
    assert set(STANDARD) <= set(SOURCES)


def test_a_data_set_without_a_standard_is_refused() -> None:
    with pytest.raises(ValueError, match="no augmentation is standard for data set 'npz', only for cifar10"):
        resolve_augment("standard", "npz")
