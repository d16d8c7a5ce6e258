"""A trial on its way from decision to decision: what a worker of a study does, without Ray."""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.own import look_in

if TYPE_CHECKING:
    from trainables.engine.host import LaneHost

Result = dict[str, Any]

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # no retry helps: the trial waits for room, its launch ends


class TrialRunner:
    """Trains the trial in `config["trial"]` up to one decision point per step.

    By itself, or in a lane of `host`.

    Beside `trial` and its `key`, `config` holds `run`: `store` (the checkpoint's folder), `storage` (where a copy of it
    lies, or none), `cache`, `import_from` (folders that whoever planned the trial imports from), `planned_from` (as
    `Session` takes it), `stop_file`, `decisions` (epochs at which a scheduler may want to stop the trial),
    `report_interval_s`, `checkpoint_interval_s`, `threads`, `device` and `alone` (it shares no array: it may be what
    broke its process). That ends after `alone_s` and an epoch at the least. A step ends on a decision epoch, at the
    trial's end, after `report_interval_s`, or when the stop file appears; its result brings every epoch since the last
    one in `reports`, and a `problem` where the checkpoint could not be written.
    """

    def __init__(self, config: dict[str, Any], host: LaneHost | None = None) -> None:
        import torch  # here, because workers that train nothing import this module too

        from trainables.engine.session import Session
        from trainables.files import cache_here
        from trainables.storage import Storage

        run = config["run"]
        look_in(run["import_from"])
        torch.set_num_threads(run["threads"])
        self.run = run
        self.stop_file = Path(run["stop_file"])
        self.session = Session(
            config["key"],
            config["trial"],
            cache_here(run["cache"]),
            Path(run["store"]),
            run["device"],
            host,
            run["alone"],
            run["planned_from"],
            Storage(run["storage"]) if run.get("storage") else None,
        )
        self.reported = self.told = 0
        self.saved_at, self.saved_epoch = self.opened_at, self.opened_epoch = time.monotonic(), self.session.epoch

    def leave(self) -> None:
        """No further step is wanted."""
        self.session.leave()

    def step(self) -> Result:
        """Train up to the next decision point, and tell what came of it."""
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
        if not stopped and self._proved_harmless():
            session.join()
        return self._result("interrupted" if stopped else None, checkpoint, problem)

    def _proved_harmless(self) -> bool:
        session = self.session
        if not session.alone or session.done or session.epoch == self.opened_epoch:
            return False
        return bool(time.monotonic() - self.opened_at >= self.run["alone_s"])

    def _result(self, state: str | None, checkpoint: dict[str, Any] | None, problem: str) -> Result:
        session = self.session
        new = [{"epoch": i + 1, **session.history[i]} for i in range(self.reported, session.epoch)]
        self.reported = session.epoch
        finished = "diverged" if session.diverged else "completed" if session.done else "running"
        monitor = session.trial["monitor"]["metric"]
        return {
            "key": session.key,
            "epoch": session.epoch,
            "opened_epoch": self.opened_epoch,
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
