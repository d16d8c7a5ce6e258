"""What is there of a data set: counts, shapes, digests, and images that lie in it twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.datasets import Images, load_pool, load_test
from trainables.data.datasets.load import same_parts


def describe(dataset: Mapping[str, Any], cache: Path) -> dict[str, Any]:
    """Both parts of a data set as plain values; ValueError for the first thing that is wrong with its files.

    `duplicates` are exact copies among the pixels: `pool` and `test` count images whose copy came before in the same
    part, `between` the test images that the pool has too, `between_other_label` those that it has under another label.
    It is None for streamed images, which nobody decodes for it.
    """
    pool, test = load_pool(dataset, cache), load_test(dataset, cache)
    if pool.digest == test.digest:
        raise ValueError(same_parts(test))
    parts = {"pool": _part(pool), "test": _part(test)}
    if pool.image_shape != test.image_shape:
        raise ValueError(
            f"data set '{pool.name}': pool images are {_by(pool.image_shape)}, test images {_by(test.image_shape)}; "
            "give a size and channels for both"
        )
    return {
        "name": pool.name,
        "classes": list(pool.class_names),
        "shape": list(pool.image_shape),
        "ordered": pool.ordered,
        "synthetic": pool.synthetic,
        "streamed": pool.streamed,
        "own_validation": None if pool.val_index is None else len(pool.val_index),
        "parts": parts,
        "duplicates": None if pool.streamed else duplicates(pool, test),
    }


def duplicates(pool: Images, test: Images) -> dict[str, int]:
    """Exact copies, as `describe` counts them."""
    ours, theirs = pixel_hashes(pool), pixel_hashes(test)
    labels: dict[bytes, set[int]] = {}
    for each, label in zip(ours, pool.labels.tolist(), strict=True):
        labels.setdefault(each, set()).add(label)
    found = [(each, label) for each, label in zip(theirs, test.labels.tolist(), strict=True) if each in labels]
    return {
        "pool": len(ours) - len(labels),
        "test": len(theirs) - len(set(theirs)),
        "between": len(found),
        "between_other_label": sum(label not in labels[each] for each, label in found),
    }


def pixel_hashes(part: Images) -> list[bytes]:
    """A hash of every image's pixels."""
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in part.images]


def _part(images: Images) -> dict[str, Any]:
    counts = Counter(np.asarray(images.labels).tolist())
    return {
        "images": len(images.labels),
        "digest": images.digest,
        "per_class": {name: counts.get(label, 0) for label, name in enumerate(images.class_names)},
    }


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
