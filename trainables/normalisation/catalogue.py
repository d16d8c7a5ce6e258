"""The normalisations by name, with their options."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from trainables.described import Described, complete
from trainables.real import Real
from trainables.similarity.options import Number

if TYPE_CHECKING:
    import torch

    from trainables.data.datasets import Images
    from trainables.data.task import TaskData
    from trainables.normalisation.base import Normalisation


@dataclass(frozen=True)
class Scale:
    """A positive number, or none for the square root of the number of an image's values."""

    meaning: str = "the norm that an image gets; without one, values of mean square 1"
    default: ClassVar[None] = None
    range: ClassVar[str] = "(0, inf)"

    def parse(self, name: str, value: Any) -> float | None:
        if value is None:
            return None
        Real(1, 0, low_open=True, meaning="an image's norm is positive").check(name, value)
        return float(value)


EPSILON = Number(1e-8, 0, low_open=True, meaning="the least that an image is divided by is positive")

NORMALISATIONS: dict[str, Described] = {
    "channel": Described("Channel", "mean 0 and standard deviation 1 of each channel", {}),
    "pixel": Described("Pixel", "the mean of each pixel subtracted", {}),
    "gcn": Described("GCN", "contrast of each image normalised", {"scale": Scale(), "epsilon": EPSILON}),
    "zca": Described(
        "ZCA",
        "contrast normalised, then whitened",
        {
            "regulariser": Number(0.1, 0, low_open=True, meaning="what is added to the variances is positive"),
            "scale": Scale(),
            "epsilon": EPSILON,
        },
    ),
    "none": Described("Plain", "a scale of 0 to 1", {}),
}


def complete_normalisation(value: Any) -> dict[str, Any]:
    """A normalisation, by name or with options, with all its options; ValueError where there is none such."""
    return complete("normalisation", "normalisations", NORMALISATIONS, value)


def make_normalisation(value: Any, data: TaskData, device: torch.device, dtype: torch.dtype) -> Normalisation:
    """The normalisation of a task's images, on a device and in a precision; what is fitted to them is kept on disk.

    Raises ValueError as `complete_normalisation` does, and where it cannot be fitted to these images.
    """
    options = complete_normalisation(value)
    name = options.pop("name")
    check_images(name, data.pool)
    made: Normalisation = normalisation_class(name)(data, device, dtype, **options)
    return made


def normalisation_class(name: str) -> Any:
    """The class of a known normalisation."""
    return getattr(importlib.import_module(f"trainables.normalisation.{name}"), NORMALISATIONS[name].class_name)


def check_images(name: str, pool: Images) -> None:
    """ValueError where a known normalisation cannot be fitted to these images."""
    if name == "zca" and not isinstance(pool.images, np.ndarray):
        raise ValueError(
            f"normalise: zca whitens a data set that is decoded as a whole, '{pool.name}' is read image by image; "
            "gcn normalises contrast alone"
        )
