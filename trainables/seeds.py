"""Independent random streams from one seed.

Every source of chance (split, noise mask, initial weights, data order, augmentation) has a seed of its own, and an
epoch's stream is derived from that seed and the epoch's number. Nothing carries generator state from epoch to epoch,
so a trial resumed from a checkpoint sees what an undisturbed one sees.
"""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *path: str | int) -> int:
    """A seed in [0, 2^63) that depends on `seed` and on every element of `path`, and on nothing else."""
    text = "/".join([str(seed), *map(str, path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
