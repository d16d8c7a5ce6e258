"""Fewer classes, fewer images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainables.data.datasets.draw import stratified_draw
from trainables.data.datasets.images import Decoded
from trainables.names import unknown_name


def cut(decoded: Decoded, options: Mapping[str, Any], part: str) -> Decoded:
    """`decoded` without the classes that are not wanted, and of the pool as many images as `limit` allows.

    Classes keep the data set's order. Raises ValueError for an unknown class, and where fewer than two are left.
    """
    names = decoded.class_names
    assert names is not None, "classes were named before"
    for option in ("classes", "leave_out"):
        for name in options[option] or []:
            if name not in names:
                raise ValueError(f"{option}: {unknown_name('class', name, names, 'classes')}")
    wanted = [
        label
        for label, name in enumerate(names)
        if name in (options["classes"] or names) and name not in (options["leave_out"] or [])
    ]
    if len(wanted) < 2:
        raise ValueError(f"{len(wanted)} of {len(names)} classes are left by classes and leave_out; keep at least 2")
    if len(wanted) < len(names):
        decoded = decoded.taken(np.flatnonzero(np.isin(decoded.labels, wanted)))
        labels = np.searchsorted(wanted, decoded.labels)
        decoded = dataclasses.replace(decoded, labels=labels, class_names=tuple(names[label] for label in wanted))
    limit = options["limit"]
    if part == "pool" and limit is not None and limit < len(decoded.labels):
        strata = decoded.labels * 2
        if decoded.val_index is not None:
            strata[decoded.val_index] += 1
        decoded = decoded.taken(stratified_draw(strata, limit, seed=0))
    return decoded
