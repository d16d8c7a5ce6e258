"""The median stopping rule (Golovin et al., 2017, section 3.2), as Ray Tune implements it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class MedianPruner:
    """At decision epochs a trial goes on unless its best score is worse than the median of the other trials' means.

    The means are over their decision epochs so far. Nobody is stopped before `min_configs` others have come as far.
    """

    def __init__(self, grace_epochs: int, every: int, min_configs: int, epochs: int) -> None:
        from ray.tune.schedulers import MedianStoppingRule

        self._decisions = list(range(grace_epochs, epochs, every))
        self._rule = MedianStoppingRule(
            time_attr="epoch", metric="score", mode="max", grace_period=grace_epochs, min_samples_required=min_configs
        )
        self._trials: dict[str, Any] = {}
        self._nobody = SimpleNamespace(get_live_trials=list)  # whom a trial could make way for

    def decisions(self) -> list[int]:
        return self._decisions

    def goes_on(self, trial_key: str, epoch: int, score: float) -> bool:
        trial = self._trials.setdefault(trial_key, _Trial(trial_key))
        action = self._rule.on_trial_result(self._nobody, trial, {"epoch": epoch, "score": score})
        return bool(action == self._rule.CONTINUE)


class _Trial:
    """What the rule knows of a trial; hashable, unlike a namespace."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id
