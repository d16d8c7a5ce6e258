"""Keys: a hash of everything that determines the numbers behind it and of nothing else.

Not of the study's name, its scheduler, its resources, nor of the machine: the same key is the same trial.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from trainables.similarity import identity
from trainables.trial import Trial

KEY_FORMAT = 1  # raised when the engine changes what the same description trains to
UNMENTIONED: dict[str, Any] = {"augment": [], "normalise": {"name": "channel"}, "patience": None}


def key_of(value: Any) -> str:
    """16 hex digits of the canonical JSON of `value`."""
    text = json.dumps([KEY_FORMAT, value], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def counts(trial: Trial) -> Trial:
    """What determines a trial's numbers: not which epoch is kept of it, nor where its files lie. What the options of a
    data set come to is in its digest; of the training counts what differs from one that does not mention it.
    """
    loss = {key: identity(value) if isinstance(value, dict) else value for key, value in trial["loss"].items()}
    dataset = {key: trial["dataset"][key] for key in ("name", "digest")}
    training = {key: value for key, value in trial["training"].items() if value != UNMENTIONED.get(key, ...)}
    found = {key: value for key, value in trial.items() if key != "monitor"}
    if trial["training"]["patience"] is not None or "confirm" in trial:  # it says when training ends, what is tested
        found["monitor"] = trial["monitor"]
    return found | {"dataset": dataset, "training": training, "loss": loss, "noise": identity(trial["noise"])}
