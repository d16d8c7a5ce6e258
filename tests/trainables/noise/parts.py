"""Small parts of a made-up pool."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from trainables.data.noise import NOISES, Part, parse

RATED = ("uniform", "symmetric", "pair", "asymmetric", "instance")
RATES = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def make_part(size: int, num_classes: int, *, name: str = "train", labels: np.ndarray | None = None) -> Part:
    """`size` images of 1x3x3 random pixels, classes in turn or as given; the part is all of the pool."""
    images = np.random.default_rng(0).integers(0, 256, (size, 1, 3, 3), dtype=np.uint8)
    labels = np.arange(size) % num_classes if labels is None else labels
    return Part(name, images, labels, np.arange(size), tuple(f"c{number}" for number in range(num_classes)))


def described(kind: str, rate: float, part: Part, seed: int = 0) -> dict[str, Any]:
    """A noise on `part`; of `asymmetric` all but the last class become the next."""
    names = part.class_names
    mapping = {"mapping": dict(pairwise(names))} if kind == "asymmetric" else {}
    return {"kind": kind, "rate": rate, "seed": seed, **mapping}


def corrupted(kind: str, rate: float, part: Part, seed: int = 0) -> np.ndarray:
    spec = parse(described(kind, rate, part, seed))
    return NOISES[spec["kind"]].corrupt(part, spec)
