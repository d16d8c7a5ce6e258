"""The augmentation that is standard for a data set: what the papers mean by its name with a `+`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainables.augmentation.catalogue import complete_augmentation

# TCE, section 4: CIFAR is shifted by 4 and mirrored, MNIST and SVHN are shifted only, as a mirrored digit is none.
# Clothes are shot from one side and digits are as small as 8 x 8; ImageNet's is that of ResNet (He et al., 2016).
STANDARD: dict[str, tuple[Any, ...]] = {
    "cifar10": ("shift", "mirror"),
    "cifar100": ("shift", "mirror"),
    "mnist": ("shift",),
    "fashion_mnist": ("shift",),
    "svhn": ("shift",),
    "digits": ({"name": "shift", "pixels": 1},),
    "image_folder": ("mirror",),
    "ages": ("mirror",),
    "imagenet": ("crop", "mirror"),
}


def resolve_augment(value: str | Mapping[str, Any] | Sequence[Any], dataset: str) -> list[dict[str, Any]]:
    """The augmentations that `value` asks for on a data set, in their order, with all their options.

    `value` is one augmentation or a list of them, each by name or with options; `none` is the empty list, and
    `standard` stands for the data set's own. Raises ValueError where one is unknown or wrong, or none is standard.
    """
    entries = [value] if isinstance(value, str | Mapping) else value
    resolved: list[dict[str, Any]] = []
    for entry in entries:
        name = entry.get("name") if isinstance(entry, Mapping) else entry
        if name == "standard":
            resolved += map(complete_augmentation, standard_for(dataset))
        elif name != "none":
            resolved.append(complete_augmentation(entry))
    return resolved


def standard_for(dataset: str) -> tuple[Any, ...]:
    """What is standard for a data set; ValueError where nothing is."""
    if dataset not in STANDARD:
        raise ValueError(
            f"no augmentation is standard for data set '{dataset}', only for {', '.join(STANDARD)}; "
            "write the list, as in augment: [{name: shift, pixels: 4}, mirror]"
        )
    return STANDARD[dataset]
