"""Whether a network can train on the last batch of an epoch where that is a single image."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from trainables.models import make_model
from trainables.own import is_own


def check_last_batch(
    model: Mapping[str, Any], image_shape: tuple[int, int, int], num_classes: int, num_images: int, batch_size: int
) -> None:
    """Refuse batches that leave an image alone, where BatchNorm then has one value a channel, with ValueError.

    `model` is the network as a trial describes it, `num_images` are trained on, `[channels, height, width]` each. The
    network is made only if an image is left alone.
    """
    alone = batch_size == 1 or num_images % batch_size == 1
    if num_images > 1 and alone and not _trains_on_one(model, image_shape, num_classes):
        better = next(size for size in count(batch_size + 1) if num_images % size != 1)
        raise ValueError(
            f"model '{model['name']}': batches of {batch_size} leave one of {num_images} training images alone, "
            f"and BatchNorm over a single value cannot train; set training.batch_size to another, such as {better}"
        )


def _trains_on_one(model: Mapping[str, Any], image_shape: tuple[int, int, int], num_classes: int) -> bool:
    import torch

    device = "cpu" if is_own(model["name"]) else "meta"
    network = make_model(**model, image_shape=image_shape, num_classes=num_classes, seed=0, device=device)
    try:
        with torch.no_grad():
            network.train()(torch.zeros(1, *image_shape, device=device))
    except Exception as problem:  # a user's network may raise anything; all but this shows in training as it is
        return "more than 1 value per channel" not in str(problem)
    return True
