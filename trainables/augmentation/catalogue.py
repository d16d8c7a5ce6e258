"""The augmentations by name, with their options."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from trainables.described import Described, Span, Whole, complete
from trainables.names import unknown_name
from trainables.real import Real
from trainables.similarity.options import Choice, Number

if TYPE_CHECKING:
    from trainables.augmentation.base import Augmentation


@dataclass(frozen=True)
class TransformName:
    """The name of one of torchvision's transforms, version 2."""

    meaning: str = "a class of torchvision.transforms.v2"
    default: ClassVar[None] = None
    range: ClassVar[str] = "name"

    def parse(self, name: str, value: Any) -> str:
        from torchvision.transforms import v2  # brings torch, for which other augmentations need not wait

        known = [each for each, cls in vars(v2).items() if isinstance(cls, type) and issubclass(cls, v2.Transform)]
        if value is None:
            raise ValueError(f"{name} is missing; name a class of torchvision.transforms.v2, as in ColorJitter")
        if value not in known:
            raise ValueError(unknown_name(name, value, sorted(known), "transforms"))
        return str(value)


@dataclass(frozen=True)
class Arguments:
    """Arguments by name, as YAML gives them."""

    meaning: str = "its arguments by name"
    default: ClassVar[Mapping[str, Any]] = {}
    range: ClassVar[str] = "{argument: value}"

    def parse(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} = {value!r} is not a mapping of arguments, as in {{brightness: 0.4}}")
        return {str(argument): each for argument, each in value.items()}


AUGMENTATIONS: dict[str, Described] = {
    "shift": Described(
        "Shift",
        "moved by whole pixels, as a crop from the padded image",
        {
            "pixels": Whole(4, 1, "at most so far, in either direction"),
            "padding": Choice("zeros", ("zeros", "reflect"), "what moves in from outside"),
        },
    ),
    "mirror": Described("Mirror", "left and right exchanged", {"p": Number(0.5, 0, 1, meaning="a probability")}),
    "rotation": Described(
        "Rotation", "turned about the centre", {"degrees": Number(15, 0, 180, meaning="at most so far, either way")}
    ),
    "crop": Described(
        "Crop",
        "a random part, brought back to the image's size",
        {
            "scale": Span((0.08, 1.0), Real(1, 0, 1, low_open=True, meaning="a share of the image's area")),
            "ratio": Span((3 / 4, 4 / 3), Real(1, 0, low_open=True, meaning="width over height")),
        },
    ),
    "cutout": Described("Cutout", "a square set to zero", {"pixels": Whole(8, 1, "the square's side")}),
    "torchvision": Described(
        "Torchvision", "any transform of torchvision's", {"transform": TransformName(), "arguments": Arguments()}
    ),
}


def complete_augmentation(value: Any) -> dict[str, Any]:
    """An augmentation, by name or with options, with all its options; ValueError where there is none such."""
    completed = complete("augmentation", "augmentations", AUGMENTATIONS, value)
    if completed["name"] == "torchvision":
        from trainables.augmentation.torchvision import make_transform

        make_transform(completed["transform"], completed["arguments"])
    return completed


def make_augmentation(value: Any, image_shape: tuple[int, int, int]) -> Augmentation:
    """The augmentation for images `[channels, height, width]`; ValueError also where it does not fit their size."""
    options = complete_augmentation(value)
    name = options.pop("name")
    cls = getattr(importlib.import_module(f"trainables.augmentation.{name}"), AUGMENTATIONS[name].class_name)
    made: Augmentation = cls(image_shape, **options)
    return made
