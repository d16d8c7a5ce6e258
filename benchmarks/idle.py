"""A trainable that trains nothing and answers at once, so that all that a study takes is the platform's."""

from __future__ import annotations

import os
import random
import socket
import time
from typing import Any

from ray import tune


class IdleTrainable(tune.Trainable):
    """Reports the epochs to the next decision, or to its trial's end, with scores drawn by the trial's key."""

    def setup(self, config: dict[str, Any]) -> None:
        self.key, self.trial = config["key"], config["trial"]
        self.decisions, self.epoch = config["run"]["decisions"], 0
        self.scores: list[float] = []

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        last = self.trial["training"]["epochs"]
        until = min([epoch for epoch in self.decisions if epoch > self.epoch], default=last)
        new = [self._report(epoch) for epoch in range(self.epoch + 1, until + 1)]
        self.epoch = until
        return {
            "key": self.key,
            "epoch": until,
            "opened_epoch": 0,
            "best_epoch": 1 + self.scores.index(max(self.scores)),
            "score": self.scores[-1],
            "state": "completed" if until == last else "running",
            "reports": new,
            "facts": {"split_digest": "0", "noise_digest": "0", "threads": 1, "device": "cpu"},
            "checkpoint": None,
            "problem": "",
            "warnings": [],
            "worker": f"{socket.gethostname()}:{os.getpid()}",
            "done": until == last,
        }

    def _report(self, epoch: int) -> dict[str, Any]:
        draw = random.Random(f"{self.key} {epoch}")
        self.scores.append(draw.random())
        monitor = self.trial["monitor"]["metric"]
        return {
            "epoch": epoch,
            monitor: self.scores[-1],
            "train_loss": draw.random(),
            "seconds": 0.0,
            "time": time.time(),
        }


class SleepingTrainable(IdleTrainable):
    """Reports an epoch after each `report_interval_s` of sleep, as trials do that train elsewhere."""

    def step(self) -> dict[str, Any]:
        time.sleep(self.interval_s)
        self.decisions = [self.epoch + 1]
        return super().step()

    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        self.interval_s = config["run"]["report_interval_s"]
