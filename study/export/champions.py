"""Which of a study's exported configs is the best of its task, and by what alias the model registry knows it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

CHAMPION = "champion"


def differing_axes(tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    """The axes on which a study's tasks differ; none where it has one."""
    return [axis for axis in ("dataset", "noise", "model") if len({task[axis] for task in tasks}) > 1]


def champions(exports: Sequence[Mapping[str, Any]], axes: Sequence[str]) -> dict[str, list[int]]:
    """By alias the index of the export with the best validation mean, and after it of those that tie with it.

    `exports` are the best of their cells. Where tasks differ, on `axes`, their scores do not compare, and each task has
    an alias of its own: `champion-uniform-0-4`, and none is `champion`.
    """
    competing: dict[str, list[int]] = {}
    for index, values in enumerate(exports):
        competing.setdefault(_alias(values, axes), []).append(index)
    best = {alias: max(_merit(exports[index]) for index in members) for alias, members in competing.items()}
    return {
        alias: [index for index in members if _merit(exports[index]) == best[alias]]
        for alias, members in competing.items()
    }


def _alias(values: Mapping[str, Any], axes: Sequence[str]) -> str:
    return "-".join([CHAMPION, *(re.sub(r"\W+", "-", str(values["task"][axis])) for axis in axes)])


def _merit(values: Mapping[str, Any]) -> float:
    sign = 1 if values["trial"]["monitor"]["mode"] == "max" else -1
    return float(sign * values["validation"]["mean"])
