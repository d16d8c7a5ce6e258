"""A last batch of one image is foreseen where BatchNorm cannot train on it, and let be where it can."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.trainables.conftest import TrialMaker
from tests.trainables.lanes import part_of
from trainables.data.task import TaskData
from trainables.engine.lanes import LaneArray
from trainables.engine.session import make_lane
from trainables.models import complete_model, make_model
from trainables.models.lone_image import check_last_batch

VGG = complete_model("vgg", {"depth": 8, "width": 4})
CASES: dict[str, tuple[dict[str, Any], int, int, int, bool]] = {
    # network, side of the images, images, batch size, whether it trains
    "one left on maps of 1x1": (VGG, 8, 65, 32, False),
    "two left": (VGG, 8, 66, 32, True),
    "none left": (VGG, 8, 64, 32, True),
    "one left on larger maps": (VGG, 16, 65, 32, True),
    "one left without BatchNorm": (VGG | {"batch_norm": False}, 8, 65, 32, True),
    "batches of one": (VGG, 8, 64, 1, False),
    "a residual network": (complete_model("resnet_cifar", {"depth": 8, "width": 4}), 8, 65, 32, True),
    "one of torchvision's": (complete_model("torchvision.resnet18", {"stem": "imagenet"}), 32, 65, 32, False),
}


@pytest.mark.parametrize("case", CASES)
def test_what_torch_refuses_in_an_epochs_end_is_refused_before_it(case: str) -> None:
    model, side, images, size, trains = CASES[case]
    shape = (1, side, side)
    last = images % size or size
    batch = torch.rand(last, *shape)
    if trains:
        make_model(**model, image_shape=shape, num_classes=3, seed=0).train()(batch)
        check_last_batch(model, shape, 3, images, size)
        return
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        make_model(**model, image_shape=shape, num_classes=3, seed=0).train()(batch)
    with pytest.raises(ValueError, match=f"batches of {size} leave one of {images} training images alone"):
        check_last_batch(model, shape, 3, images, size)


@pytest.mark.parametrize(("images", "size", "better"), [(65, 32, 33), (65, 64, 65), (3, 2, 3), (64, 1, 2)])
def test_the_batch_size_that_is_named_leaves_no_image_alone(images: int, size: int, better: int) -> None:
    with pytest.raises(ValueError, match=f"such as {better}$"):
        check_last_batch(VGG, (1, 8, 8), 3, images, size)
    check_last_batch(VGG, (1, 8, 8), 3, images, better)


def test_an_array_of_such_lanes_is_refused_in_words(digits: TaskData, make_trial: TrialMaker) -> None:
    few = part_of(digits, 65, len(digits.val_index))
    trial = make_trial("ce")
    trial["model"] = VGG
    with pytest.raises(ValueError, match=r"model 'vgg': batches of 64 leave one of 65 training images alone"):
        LaneArray(few, trial["model"], trial["training"])
    array = LaneArray(few, trial["model"], trial["training"] | {"batch_size": 65})
    array.add(make_lane("lane", trial | {"training": trial["training"] | {"batch_size": 65}}, few))
    assert array.advance()["lane"]["train_loss"] > 0
