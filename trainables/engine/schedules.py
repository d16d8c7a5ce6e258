"""Learning-rate schedules: what the rate is multiplied by in each epoch, counted from 0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trainables.names import unknown_name


def schedule_factor(schedule: Mapping[str, Any], epoch: int, epochs: int) -> float:
    """`constant`: 1. `cosine`: (1 + cos(π epoch / epochs)) / 2. `multistep`: gamma for each milestone passed."""
    match schedule["name"]:
        case "constant":
            return 1.0
        case "cosine":
            return (1 + math.cos(math.pi * epoch / epochs)) / 2
        case "multistep":
            passed = sum(epoch >= milestone for milestone in schedule["milestones"])
            return float(schedule["gamma"] ** passed)
    raise ValueError(unknown_name("schedule", schedule["name"], ("constant", "cosine", "multistep"), "schedules"))
