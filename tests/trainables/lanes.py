"""Lanes trained in company, and compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from trainables.data.store import content_hash
from trainables.data.task import TaskData
from trainables.engine.lane import LaneState
from trainables.engine.lanes import LaneArray

LaneAndTrial = tuple[Any, Any]


def part_of(data: TaskData, train: int, val: int, images: np.ndarray | None = None) -> TaskData:
    """A task's first training and validation images, or others in their place.

    Under digests of their own, for what is fitted to images is kept by these, in a folder that all tests share.
    """
    pool = data.pool
    if images is not None:
        pool = replace(pool, images=images, digest=content_hash(pool.digest, images))
    train_index, val_index = data.train_index[:train], data.val_index[:val]
    digest = content_hash(train_index, val_index)
    return replace(data, pool=pool, train_index=train_index, val_index=val_index, split_digest=digest)


def train_lanes(
    make_array: Callable[..., LaneArray],
    epochs: int,
    lanes: list[LaneAndTrial],
    groups: list[list[LaneAndTrial]] | None = None,
) -> dict[str, LaneState]:
    """Train each group of lanes in an array of its own to the end; by default all lanes in one."""
    result = {}
    for group in groups or [lanes]:
        array = make_array(*group)
        for _ in range(epochs):
            array.advance()
        result |= {key: array.save(key) for key in array.keys}
    return result


def assert_same_lane(ours: LaneState, expected: LaneState, tolerance: float, *, equal_nan: bool = True) -> None:
    """Every tensor that is kept and every metric but the time taken, within `tolerance`."""
    assert (ours.epoch, ours.best_epoch) == (expected.epoch, expected.best_epoch)
    for found, wanted in ((ours.last, expected.last), (ours.best, expected.best)):
        assert found.keys() == wanted.keys()
        for name in wanted:
            torch.testing.assert_close(
                found[name], wanted[name], rtol=0, atol=tolerance, equal_nan=equal_nan,
                msg=lambda m, n=name: f"{n}: {m}",
            )  # fmt: skip
    for i, (metrics, reference) in enumerate(zip(ours.history, expected.history, strict=True)):
        assert metrics.keys() - {"time"} == reference.keys() - {"time"}
        for name in reference.keys() - {"seconds", "time", "lanes"}:
            wanted = pytest.approx(reference[name], rel=0, abs=tolerance, nan_ok=equal_nan)
            assert metrics[name] == wanted, f"{name} of epoch {i + 1}"
