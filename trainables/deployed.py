"""A trained network as one uses it: raw images in, logits out, made without the data that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.data.datasets import Images, load_test, settled_options
from trainables.data.datasets.catalogue import get_source
from trainables.data.datasets.image_files import Crop, decode, opened
from trainables.engine.stack import last
from trainables.engine.testing import tested
from trainables.models import make_model
from trainables.normalisation.base import Normalisation
from trainables.normalisation.fitted import refitted

BATCH = 256  # images at a time


class Deployed(nn.Module):
    """uint8 images `[N, channels, height, width]` to logits `[N, C]`; for evaluation only."""

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.network, self.normalisation = network.eval(), normalisation

    def forward(self, images: Tensor) -> Tensor:
        return last(self.network(self.normalisation(images)))


def deploy(
    model: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    described_input: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    num_classes: int,
    device: str = "cpu",
) -> Deployed:
    """The network that a trial's `model` describes with its weights, seeing images as `described_input` says.

    That has the images' `shape` and `normalise`, as `fitted_normalisation` gives it, with `arrays`. Raises ValueError
    for weights that are not this network's.
    """
    shape = _shape(described_input)
    network = make_model(**model, image_shape=shape, num_classes=num_classes, seed=0)
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as problem:
        said = " ".join(str(problem).split())[:200]
        raise ValueError(f"the weights are not those of model '{model['name']}': {said}") from None
    where = torch.device(device)
    return Deployed(network.to(where), refitted(described_input["normalise"], arrays, shape, where)).eval()


def read_images(paths: Sequence[Path], described_input: Mapping[str, Any]) -> np.ndarray:
    """Image files as a network takes them, uint8 `[N, channels, height, width]`.

    As a folder of images is read: in the channels of the training images, the shorter side resized, the centre cut
    out. ValueError for a file that is no image, and for images that no file can hold.
    """
    channels, height, width = _shape(described_input)
    if channels not in (1, 3):
        raise ValueError(f"the network takes images of {channels} channels; files hold 1 or 3")
    resize = (described_input.get("resize") or height) if height == width else None
    crop = Crop(channels, height, width, resize)
    return np.stack([decode(path, crop, "leave it out of the images given") for path in paths])


def change_of(path: Path, described_input: Mapping[str, Any]) -> str | None:
    """What `read_images` makes of a file: `180x110 colour, judged as 8x8 grey`; None where nothing is changed."""
    channels, height, width = _shape(described_input)
    with opened(path) as image:
        given = image.size, image.mode in ("1", "L", "LA")
    taken = (width, height), channels == 1
    if given == taken:
        return None
    words = [f"{size[0]}x{size[1]} {'grey' if grey else 'colour'}" for size, grey in (given, taken)]
    return f"{words[0]}, judged as {words[1]}"


@torch.no_grad()
def probabilities(network: Deployed, images: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Softmax of the logits, `[N, C]`."""
    parts = [
        network(torch.from_numpy(images[start : start + BATCH]).to(device)).softmax(-1).cpu()
        for start in range(0, len(images), BATCH)
    ]
    return torch.cat(parts).numpy()


def evaluation_images(
    dataset: Mapping[str, Any], described_input: Mapping[str, Any], classes: int, cache: Path
) -> Images:
    """The test images of a data set; ValueError where they are missing, or no images that the network takes.

    Files of a data set that cuts its images to a size are cut to the network's, unless `dataset` says otherwise.
    """
    channels, height, width = _shape(described_input)
    known = get_source(dataset["name"]).options
    fitting = {"size": height, "resize": described_input.get("resize"), "channels": channels}
    wanted = {key: value for key, value in fitting.items() if key in known and value is not None and height == width}
    described = wanted | {key: value for key, value in dataset.items() if key != "digest"}
    settled_options(described)
    test = load_test(described, cache)
    if test.image_shape != (channels, height, width):
        raise ValueError(
            f"data set '{dataset['name']}' has images {list(test.image_shape)}; the network takes "
            f"{[channels, height, width]}"
        )
    if test.num_classes != classes:
        raise ValueError(f"data set '{dataset['name']}' has {test.num_classes} classes; the network has {classes}")
    return test


def evaluate(network: Deployed, test: Images, device: str = "cpu") -> dict[str, float]:
    """The metrics of the catalogue on test images: `test_accuracy`, `test_loss`, ..."""
    return tested(network, test, torch.device(device))


def _shape(described_input: Mapping[str, Any]) -> tuple[int, int, int]:
    channels, height, width = described_input["shape"]
    return channels, height, width
