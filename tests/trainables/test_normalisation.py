"""What each normalisation makes of images, and what it is fitted to."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.data import pixels
from trainables.data.datasets import Images
from trainables.data.task import TaskData
from trainables.normalisation import NORMALISATIONS, make_normalisation
from trainables.normalisation.base import Normalisation

CPU = torch.device("cpu")


class Decoded:
    """Images that are decoded on demand."""

    def __init__(self, images: np.ndarray) -> None:
        self.kept, self.shape, self.read = images, images.shape, 0

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        self.read += len(index)
        return self.kept[index]


@pytest.fixture
def task(tmp_path: Path) -> TaskData:
    """2,600 images of 3 x 4 x 5, pixels correlated with their neighbours; every fifth is held out."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(2600, 3, 4, 6))
    images = np.clip(128 + 40 * (base[..., :5] + base[..., 1:]), 0, 255).astype(np.uint8)
    held_out = np.arange(2600) % 5 == 0
    pool = Images("made up", images, np.zeros(2600, np.int64), ("a", "b"), "digest")
    index = np.arange(2600)
    return TaskData(pool, index[~held_out], index[held_out], pool.labels, "split", "noise", {}, tmp_path)


def made(described: Any, task: TaskData) -> Normalisation:
    return make_normalisation(described, task, CPU, torch.float64)


def training(task: TaskData) -> Tensor:
    return torch.tensor(task.pool.images[task.train_index])


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_raw_images_stay_as_they_are(name: str, task: TaskData) -> None:
    images = training(task)[:10]
    before = images.clone()
    result = made(name, task)(images)
    assert torch.equal(images, before)
    assert (result.shape, result.dtype) == (images.shape, torch.float64)


def test_channel_has_mean_0_and_deviation_1_in_each_channel_of_the_training_part(task: TaskData) -> None:
    result = made("channel", task)(training(task))
    torch.testing.assert_close(result.mean((0, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(result.std((0, 2, 3), correction=0), torch.ones(3).double(), rtol=0, atol=1e-12)


def test_a_channel_that_never_changes_becomes_zero(task: TaskData) -> None:
    images = task.pool.images.copy()
    images[:, 1] = 77
    flat = dataclasses.replace(task, pool=dataclasses.replace(task.pool, images=images))
    assert made("channel", flat)(training(flat))[:, 1].abs().max() < 1e-12


def test_pixel_subtracts_the_mean_image_of_the_training_part(task: TaskData) -> None:
    expected = training(task).double() / 255
    torch.testing.assert_close(made("pixel", task)(training(task)), expected - expected.mean(0), rtol=0, atol=1e-12)


def test_none_is_a_scale_of_0_to_1(task: TaskData) -> None:
    torch.testing.assert_close(made("none", task)(training(task)), training(task).double() / 255)


@pytest.mark.parametrize("scale", [None, 55])
def test_gcn_gives_every_image_mean_0_and_the_same_norm(task: TaskData, scale: float | None) -> None:
    result = made({"name": "gcn", "scale": scale}, task)(training(task)).flatten(1)
    assert result.mean(1).abs().max() < 1e-12
    norms = torch.full((len(result),), scale or math.sqrt(60), dtype=torch.float64)
    torch.testing.assert_close(result.norm(dim=1), norms, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gcn_makes_zero_of_an_image_of_one_value(task: TaskData, dtype: torch.dtype) -> None:
    images = torch.full((1, 3, 4, 5), 93, dtype=torch.uint8)
    assert torch.count_nonzero(make_normalisation("gcn", task, CPU, dtype)(images)) == 0


def test_zca_whitens_the_training_part(task: TaskData) -> None:
    normalisation = made({"name": "zca", "regulariser": 1e-9}, task)
    values = normalisation(training(task)).flatten(1)
    variances = torch.linalg.eigvalsh(values.T.cov(correction=0))
    assert variances[0] < 1e-4  # contrast normalisation took the mean of each image away
    torch.testing.assert_close(variances[1:], torch.ones(59).double(), rtol=0, atol=1e-5)
    covariance = values.T.cov(correction=0)
    identity = torch.eye(60).double() - torch.full((60, 60), 1 / 60).double()
    torch.testing.assert_close(covariance, identity, rtol=0, atol=1e-4)


def test_zca_s_regulariser_leaves_a_direction_v_over_v_plus_it(task: TaskData) -> None:
    before = made("gcn", task)(training(task)).flatten(1)
    variances, vectors = torch.linalg.eigh(before.T.cov(correction=0))
    after = (made({"name": "zca", "regulariser": 0.5}, task)(training(task)).flatten(1) @ vectors).var(0, correction=0)
    torch.testing.assert_close(after, variances / (variances + 0.5), rtol=0, atol=1e-10)


@pytest.mark.parametrize("count", [1, 25, 59, 60, 500])
def test_zca_is_its_formula_with_fewer_images_than_values_and_with_more(task: TaskData, count: int) -> None:
    few = dataclasses.replace(task, train_index=task.train_index[:count], split_digest=f"the first {count}")
    values = made("gcn", few)(training(few)).flatten(1).numpy()
    variances, vectors = np.linalg.eigh(np.cov(values.T, bias=True))
    expected = vectors @ np.diag((variances.clip(min=0) + 0.1) ** -0.5) @ vectors.T
    found = made({"name": "zca", "regulariser": 0.1}, few)
    np.testing.assert_allclose(found.matrix, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.mean, values.mean(0), rtol=0, atol=1e-12)


def test_zca_prepares_the_whole_pool_once_and_maps_it_from_disk(
    task: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made("zca", task)
    assert isinstance(first.prepared, np.memmap)
    assert first.prepared.dtype == np.float32
    expected = first(torch.tensor(task.pool.images))
    np.testing.assert_allclose(first.prepared, expected, rtol=0, atol=1e-5)
    monkeypatch.setattr("torch.linalg.eigh", lambda *_: pytest.fail("fitted again"))
    np.testing.assert_array_equal(made("zca", task).prepared, first.prepared)
    with pytest.raises(pytest.fail.Exception, match="fitted again"):
        made({"name": "zca", "regulariser": 0.2}, task)
    with pytest.raises(pytest.fail.Exception, match="fitted again"):
        made("zca", dataclasses.replace(task, split_digest="another"))


def test_zca_sees_the_training_part_alone(task: TaskData, tmp_path: Path) -> None:
    images = task.pool.images.copy()
    images[task.val_index] = 255 - images[task.val_index] // 2
    pool = dataclasses.replace(task.pool, images=images, digest="other")
    other = dataclasses.replace(task, pool=pool)
    for name in ("zca", "channel", "pixel"):
        assert torch.equal(made(name, task)(training(task)), made(name, other)(training(task)))


# -- images decoded on demand -------------------------------------------------------------------------------------


def on_demand(task: TaskData) -> tuple[TaskData, Decoded]:
    images = Decoded(task.pool.images)
    return dataclasses.replace(task, pool=dataclasses.replace(task.pool, images=images, digest="on demand")), images


def test_statistics_of_images_decoded_on_demand_come_from_2000_of_them(task: TaskData) -> None:
    streamed, images = on_demand(task)
    mean, deviation = streamed.pixel_statistics
    assert images.read == 2000
    sample = task.pool.images[pixels.representative(images, task.train_index)] / 255
    assert len(np.unique(pixels.representative(images, task.train_index))) == 2000
    assert mean == pytest.approx(sample.mean((0, 2, 3)), abs=1e-12)
    assert deviation == pytest.approx(sample.std((0, 2, 3)), abs=1e-12)
    assert dataclasses.replace(streamed).pixel_statistics[0].tolist() == mean.tolist()
    assert images.read == 2000  # kept on disk


def test_zca_of_images_decoded_on_demand_is_refused(task: TaskData) -> None:
    with pytest.raises(ValueError, match="zca whitens a data set that is decoded as a whole, 'made up' is read image"):
        made("zca", on_demand(task)[0])


# -- names and options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ("chanel", r"unknown normalisation 'chanel'; did you mean 'channel'\?"),
        ({"name": "gcn", "scal": 1}, r"unknown option 'scal'; did you mean 'scale'\?"),
        ({"name": "gcn", "scale": 0}, r"gcn.scale = 0 is outside \(0, inf\)"),
        ({"name": "zca", "regulariser": 0}, r"zca.regulariser = 0 is outside \(0, inf\)"),
        (["zca"], r"\['zca'\] is no normalisation; give a name"),
    ],
)
def test_a_mistake_is_refused_in_a_sentence(described: Any, message: str, task: TaskData) -> None:
    with pytest.raises(ValueError, match=message):
        made(described, task)
