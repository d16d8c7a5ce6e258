"""Augmentation of all lanes: each by its own list, from its own stream of random numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainables.augmentation import make_augmentation
from trainables.augmentation.base import Augmentation
from trainables.engine.lane import Lane
from trainables.normalisation import normalisation_class
from trainables.seeds import derive_seed


@dataclass
class Group:
    """Lanes with one list. `rows` is None where they are all the lanes there are; `draws` are `[L, N, k]` each."""

    members: list[int]
    rows: Tensor | None
    augmentations: list[Augmentation]
    draws: list[Tensor] = field(default_factory=list)

    def apply(self, images: Tensor, part: slice) -> Tensor:
        """Images `[L, B, ...]` of its lanes, changed."""
        flat = images.flatten(0, 1)
        for augmentation, draws in zip(self.augmentations, self.draws, strict=True):
            flat = augmentation.apply(flat, draws[:, part].flatten(0, 1))
        return flat.view(images.shape)


class LaneAugmentation:
    """What happens to each lane's training images.

    A lane's numbers of an epoch are drawn at once, from a stream made of its seed and the epoch: they depend neither on
    its neighbours nor on when it was resumed, nor on the batch size. An image's own are those of its place in the
    epoch's order. Lanes without augmentation are left alone.
    """

    def __init__(self, lanes: Sequence[Lane], image_shape: tuple[int, int, int], device: torch.device) -> None:
        self.lanes, self.device = list(lanes), device
        by_list: dict[str, list[int]] = {}
        for row, lane in enumerate(lanes):
            by_list.setdefault(json.dumps(lane.training.get("augment", []), sort_keys=True), []).append(row)
        self.groups = []
        for described, members in by_list.items():
            augmentations = [make_augmentation(each, image_shape) for each in json.loads(described)]
            rows = None if len(members) == len(lanes) else torch.tensor(members, device=device)
            if augmentations:
                self.groups.append(Group(members, rows, augmentations))

    def begin(self, epochs: Sequence[int], count: int) -> None:
        """Draw what happens to `count` images of each lane in these epochs `[L]`."""
        for group in self.groups:
            drawn = []
            for row in group.members:
                generator = torch.Generator().manual_seed(derive_seed(self.lanes[row].augmentation_seed, epochs[row]))
                drawn.append([augmentation.draw(count, generator) for augmentation in group.augmentations])
            group.draws = [
                torch.stack(draws).to("cpu" if augmentation.on_host else self.device)
                for augmentation, draws in zip(group.augmentations, zip(*drawn, strict=True), strict=True)
            ]

    def __call__(self, images: Tensor, part: slice) -> Tensor:
        """Images `[L, B, channels, height, width]`, which are `part` of each lane's epoch, changed."""
        for group in self.groups:
            if group.rows is None:
                images = group.apply(images, part)
            else:
                images[group.rows] = group.apply(images[group.rows], part)
        return images


def check_augment(training: Mapping[str, Any], image_shape: tuple[int, int, int]) -> None:
    """ValueError where an augmentation of a trial's `training` cannot be applied to images of its data set."""
    normalised = normalisation_class(training["normalise"]["name"]).first
    images = torch.zeros(1, *image_shape, dtype=torch.float32 if normalised else torch.uint8)
    for described in training["augment"]:
        augmentation = make_augmentation(described, image_shape)
        augmentation.apply(images, augmentation.draw(1, torch.Generator()))
