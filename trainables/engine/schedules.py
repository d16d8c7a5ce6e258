"""Learning-rate schedules: what the rate is multiplied by at each step of an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trainables.names import unknown_name

SCHEDULES = ("constant", "cosine", "multistep", "step", "exponential")


def schedule_factors(schedule: Mapping[str, Any], epoch: int, epochs: int, steps: int) -> list[float]:
    """The factor of each of the `steps` steps of epoch `epoch` (from 0) of `epochs`.

    With t the epochs that are done, or the iterations where the schedule's `unit` says so: `constant`: 1.
    `cosine`: (1 + cos(π epoch / epochs)) / 2. `multistep`: gamma^(milestones that t has reached).
    `step`: gamma^floor(t / every). `exponential`: gamma^t.
    """
    if schedule.get("unit") == "iterations":
        return [_factor(schedule, epoch * steps + step, epochs) for step in range(steps)]
    return [_factor(schedule, epoch, epochs)] * steps


def _factor(schedule: Mapping[str, Any], t: int, epochs: int) -> float:
    match schedule["name"]:
        case "constant":
            return 1.0
        case "cosine":
            return (1 + math.cos(math.pi * t / epochs)) / 2
        case "multistep":
            return float(schedule["gamma"] ** sum(t >= milestone for milestone in schedule["milestones"]))
        case "step":
            return float(schedule["gamma"] ** (t // schedule["every"]))
        case "exponential":
            return float(schedule["gamma"] ** t)
    raise ValueError(unknown_name("schedule", schedule["name"], SCHEDULES, "schedules"))
