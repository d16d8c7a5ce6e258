"""Ray Tune Trainables: thin, one class for a study's trials and a ten-line subclass per family for anyone's Tuner."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from trainables.trial import Trial, plain_trial

if TYPE_CHECKING:
    from trainables.engine.host import LaneHost

Result = dict[str, Any]

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # no retry helps: the trial waits for room, its launch ends


class StudyTrainable(tune.Trainable):
    """Trains the trial in `config["trial"]` up to one decision point per step.

    By itself, or in a lane of the process's `host` where there is one (`trainables/hosting.py`).

    Beside `trial` and its `key`, `config` holds `run`: `store` (the checkpoint's folder), `cache`, `import_from`
    (folders with a user's own losses), `stop_file`, `decisions` (epochs at which a scheduler may want to stop the
    trial), `report_interval_s`, `checkpoint_interval_s`, `threads`, `device` and `alone` (it shares no array). A step
    ends on a decision epoch, at the trial's end, after `report_interval_s`, or when the stop file appears; its result
    brings every epoch since the last one in `reports`, and a `problem` where the checkpoint could not be written.
    Checkpoints are our own, found by the trial's key: Tune's are not used.
    """

    host: LaneHost | None = None

    def setup(self, config: dict[str, Any]) -> None:
        import torch  # here, because workers that train nothing import this module too

        from trainables.engine.session import Session

        run = config["run"]
        sys.path.extend(folder for folder in run["import_from"] if folder not in sys.path)  # a user's own losses
        torch.set_num_threads(run["threads"])
        self.run = run
        self.stop_file = Path(run["stop_file"])
        self.session = Session(
            config["key"],
            config["trial"],
            Path(run["cache"]),
            Path(run["store"]),
            run["device"],
            self.host,
            run["alone"],
        )
        self.reported = self.told = 0
        self.saved_at, self.saved_epoch = time.monotonic(), self.session.epoch

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        self.session.leave()

    def step(self) -> Result:
        session, decisions = self.session, set(self.run["decisions"])
        deadline = time.monotonic() + self.run["report_interval_s"]
        stopping = self.stop_file.exists()
        # A worker that died on a decision epoch left its checkpoint there: the decision comes before more training.
        undecided = session.epoch > self.reported and session.epoch in decisions
        while not (stopping or session.done or undecided):
            stopping = not session.advance(self.stop_file.exists) or self.stop_file.exists()
            if session.epoch in decisions or time.monotonic() >= deadline:
                break
        checkpoint, problem = None, ""
        overdue = time.monotonic() - self.saved_at >= self.run["checkpoint_interval_s"]
        if session.epoch > self.saved_epoch and (stopping or session.done or session.epoch in decisions or overdue):
            try:
                checkpoint = session.save()
            except OSError as error:
                if error.errno not in UNWRITABLE:
                    raise
                problem = f"{self.run['store']}: {error.strerror}"
            self.saved_at, self.saved_epoch = time.monotonic(), session.epoch
        stopped = problem or (stopping and not session.done)
        return self._result("interrupted" if stopped else None, checkpoint, problem)

    def _result(self, state: str | None, checkpoint: dict[str, Any] | None, problem: str) -> Result:
        session = self.session
        new = [{"epoch": i + 1, **session.history[i]} for i in range(self.reported, session.epoch)]
        self.reported = session.epoch
        finished = "diverged" if session.diverged else "completed" if session.done else "running"
        monitor = session.trial["monitor"]["metric"]
        return {
            "key": session.key,
            "epoch": session.epoch,
            "best_epoch": session.best_epoch,
            "score": session.history[-1].get(monitor, float("nan")) if session.history else float("nan"),
            "state": state or finished,
            "reports": new,
            "facts": {**session.facts, "threads": self.run["threads"], "device": self.run["device"]},
            "checkpoint": checkpoint,
            "problem": problem,
            "warnings": self._news(),
            "worker": f"{socket.gethostname()}:{os.getpid()}",
            "done": session.done or state is not None,
        }

    def _news(self) -> list[str]:
        told, self.told = self.told, len(self.session.warnings)
        return list(self.session.warnings[told:])


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
