"""Networks without the data that they were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables.data.task import TaskData, load_task
from trainables.deployed import deploy, read_images
from trainables.models import make_model
from trainables.normalisation import NORMALISATIONS, make_normalisation
from trainables.normalisation.fitted import fitted_normalisation, refitted

SHAPE = (1, 8, 8)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TaskData:
    noise = {"kind": "none", "rate": 0.0}
    return load_task({"name": "digits"}, {"holdout": 0.2, "seed": 1}, noise, tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("name", sorted(NORMALISATIONS))
def test_a_refitted_normalisation_does_to_the_bit_what_the_fitted_one_does(name: str, data: TaskData) -> None:
    raw = torch.from_numpy(np.array(data.pool.images[:9]))
    before = raw.clone()
    described, arrays = fitted_normalisation(name, data)
    again = refitted(described, arrays, SHAPE, CPU)(raw)
    assert torch.equal(again, make_normalisation(name, data, CPU, torch.float32)(raw))
    assert again.dtype == torch.float32
    assert torch.equal(raw, before)


@pytest.mark.parametrize("name", ["channel", "pixel", "zca"])
def test_what_a_normalisation_was_fitted_to_may_not_be_missing_or_of_another_shape(name: str, data: TaskData) -> None:
    described, arrays = fitted_normalisation(name, data)
    with pytest.raises(ValueError, match=f"normalise: {name} needs its mean"):
        refitted({key: value for key, value in described.items() if key != "mean"}, {}, SHAPE, CPU)
    with pytest.raises(ValueError, match=f"normalise: {name} needs its mean"):
        refitted(described, arrays, (2, 5, 5), CPU)


def deployed(model: dict[str, Any], weights: Any = None, classes: int = 10) -> Any:
    seen = {"shape": SHAPE, "normalise": {"name": "none"}}
    if weights is None:
        weights = make_model(**model, image_shape=SHAPE, num_classes=classes, seed=5).state_dict()
    return deploy(model, weights, seen, {}, classes)


@pytest.mark.parametrize("model", ["mlp", "small_cnn"])
def test_a_deployed_network_gives_the_networks_logits_for_raw_images(model: str) -> None:
    raw = torch.randint(0, 256, (6, *SHAPE), dtype=torch.uint8)
    net = make_model(model, image_shape=SHAPE, num_classes=10, seed=5).eval()
    with torch.no_grad():
        assert torch.equal(deployed({"name": model})(raw), net(raw.float().mul_(1 / 255)))


def test_weights_of_another_network_are_refused_in_a_line() -> None:
    weights = make_model("mlp", image_shape=SHAPE, num_classes=10, seed=0).state_dict()
    with pytest.raises(ValueError, match="the weights are not those of model 'small_cnn'") as caught:
        deployed({"name": "small_cnn"}, weights)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 8), (3, 16)])
def test_image_files_become_what_the_network_takes(channels: int, side: int, tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = read_images([tmp_path / "a.png"] * 2, {"shape": [channels, side, side]})
    assert found.shape == (2, channels, side, side)
    assert found.dtype == np.uint8
    exact = read_images([tmp_path / "a.png"], {"shape": [3, 30, 40]})
    assert np.array_equal(exact[0], pixels.transpose(2, 0, 1))


def test_images_of_odd_channels_are_in_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="takes images of 2 channels; files hold 1 or 3"):
        read_images([tmp_path / "a.png"], {"shape": [2, 8, 8]})
