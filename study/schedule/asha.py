"""Asynchronous successive halving (Li et al., 2020), as Ray Tune implements it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any


class AshaPruner:
    """At epochs grace, grace * reduction, ... a trial goes on if it is among the best 1/reduction seen there so far.

    Ray's scheduler does the ranking; trials are known to it by their keys, so that its rungs can be filled again from
    the ledger when a study is launched again.
    """

    def __init__(self, grace_epochs: int, reduction: float, epochs: int) -> None:
        from ray.tune.schedulers import ASHAScheduler

        self._decisions = []
        rung = float(grace_epochs)
        while math.ceil(rung) < epochs:
            self._decisions.append(math.ceil(rung))
            rung *= reduction
        self._asha = ASHAScheduler(
            time_attr="epoch", metric="score", mode="max", max_t=max(epochs, grace_epochs) + 1,
            grace_period=grace_epochs, reduction_factor=reduction,
        )  # fmt: skip
        self._trials: dict[str, Any] = {}

    def decisions(self) -> list[int]:
        return self._decisions

    def goes_on(self, trial_key: str, epoch: int, score: float) -> bool:
        if trial_key not in self._trials:
            self._trials[trial_key] = SimpleNamespace(trial_id=trial_key)
            self._asha.on_trial_add(None, self._trials[trial_key])
        action = self._asha.on_trial_result(None, self._trials[trial_key], {"epoch": epoch, "score": score})
        return bool(action == self._asha.CONTINUE)
