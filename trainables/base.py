"""Ray Tune Trainables: thin, one class for a study's trials and a ten-line subclass per family for anyone's Tuner."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import tune

from trainables.runner import Result, TrialRunner
from trainables.trial import Trial, plain_trial
from trainables.watchdog import Watchdog

START_S = 300.0  # more than an epoch may take: for torch to be imported, images to be read and similarities fitted


class StudyTrainable(tune.Trainable):
    """A study's trial in a worker of its own. Checkpoints are found by the trial's key: Tune's are not used.

    `run` in its config holds, beside what `TrialRunner` takes, `timeout_s` and `hang_file`: a worker whose trial says
    nothing for longer ends, and leaves word of where it hung there, with its number appended.
    """

    def setup(self, config: dict[str, Any]) -> None:
        run = config["run"]
        self.watchdog = Watchdog(run["timeout_s"] + run["report_interval_s"], Path(f"{run['hang_file']}.{os.getpid()}"))
        with self.watchdog.watching(START_S):
            self.runner = TrialRunner(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self.setup(new_config)
        return True

    def step(self) -> Result:
        with self.watchdog.watching():
            return self.runner.step()

    def cleanup(self) -> None:
        self.watchdog.close()


class LossTrainable(tune.Trainable):
    """One loss family for anyone's `tune.Tuner`: flat keys in, one epoch per step, Tune's own checkpoints.

    `config` may hold the family's hyperparameters and the keys of `trainables.trial.PLAIN_DEFAULTS`, and `cache`, a
    folder for decoded data. Every step reports the engine's metrics; `val_accuracy_noisy` is what one maximises.
    """

    family: str

    def setup(self, config: dict[str, Any]) -> None:
        from trainables.engine.session import Session

        config = dict(config)
        cache = Path(config.pop("cache", "~/.cache/loss-study")).expanduser()
        self.session = Session("trial", self.describe(config), cache)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> Result:
        metrics = self.session.advance()
        return {**metrics, "done": self.session.done}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        from trainables.engine.checkpoint import write_checkpoint

        write_checkpoint(Path(checkpoint_dir), "trial", self.session.place.save())
        Path(checkpoint_dir, "trial.json").write_text(json.dumps(self.session.trial))

    def load_checkpoint(self, checkpoint: Any) -> None:
        from trainables.engine.checkpoint import read_checkpoint

        restored = read_checkpoint(Path(checkpoint), "trial")
        if restored is None:
            raise ValueError(f"no checkpoint in {checkpoint}")
        array = self.session.place.array
        lane = array.lanes[0]
        array.remove("trial")
        array.add(lane, restored.state)

    def describe(self, config: Mapping[str, Any]) -> Trial:
        """The trial that `config` asks for."""
        return plain_trial(self.family, config)
