"""A Ray actor that runs many trials, so that their lanes train as one program in one process."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.own import look_in
from trainables.runner import Result, TrialRunner
from trainables.watchdog import Watchdog


@dataclass
class OpenTrial:
    """A trial, when it was opened and how many steps it took since."""

    runner: TrialRunner
    opened: float
    steps: int = 0


class TrialHost:
    """Runs trials by number; a threaded actor, one thread for each that trains and some to answer.

    `lanes`, `found` and `share` are as `LaneHost` takes them. `marker` is a file that holds the key of a trial that
    trains alone for as long as it does: should the process die, that trial is to blame. The process ends itself when an
    epoch takes longer than `timeout_s`, and says in `marker`.hang where. It answers as Tune expects of a trial's own
    actor, but imports nothing of Tune.
    """

    def __init__(
        self,
        lanes: int,
        found: bool,
        device: str,
        marker: str,
        import_from: list[str],
        share: float,
        timeout_s: float,
    ) -> None:
        look_in(import_from)
        from trainables.engine.host import LaneHost

        self.watchdog = Watchdog(timeout_s, Path(f"{marker}.hang"))
        self.host = LaneHost(
            lanes, found=found, device=device, marker=Path(marker), share=share, watchdog=self.watchdog
        )
        self.trials: dict[int, OpenTrial] = {}

    def open(self, number: int, config: dict[str, Any]) -> None:
        """Begin, or go on with, the trial that `config` describes as `TrialRunner` takes it."""
        self.trials[number] = OpenTrial(TrialRunner(config, self.host), time.time())

    def train(self, number: int) -> Result:
        """A step of a trial, with the facts that Tune wants of each."""
        trial = self.trials[number]
        result = trial.runner.step()
        trial.steps += 1
        elapsed = time.time() - trial.opened
        return result | self.facts() | {"training_iteration": trial.steps, "time_total_s": elapsed}

    def close(self, number: int) -> None:
        """End a trial, and keep nothing of it; for one that could not be begun nothing happens."""
        trial = self.trials.pop(number, None)
        if trial is not None:
            trial.runner.leave()

    def facts(self) -> dict[str, Any]:
        """Where it runs."""
        return {"pid": os.getpid(), "hostname": socket.gethostname(), "node_ip": "", "timestamp": int(time.time())}

    def ping(self) -> None:
        """Answer."""

    def live(self) -> None:
        """Never returns: whoever called it learns when the process dies."""
        threading.Event().wait()
