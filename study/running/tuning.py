"""The conductor as Ray Tune's searcher, stopper and callback."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psutil
from ray.tune import Callback, Stopper
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from study.running.conductor import Conductor
from study.running.stopped import StoppedWorkers
from trainables.watchdog import where_it_hung

STOPPED = "with its process stopped, as by SIGSTOP or a debugger"
IN_THE_LEDGER = ("config", "reports", "facts", "checkpoint", "warnings")  # of a result


class StaysHere:
    """Tune pickles its settings on their way through and never reads them back: nothing of ours goes along."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class PlanSearcher(StaysHere, Searcher):
    """Hands Tune the trials that are missing; some of them, the repeats, appear only while others run.

    `at_most` have not ended at any time. Where each trial has a worker of its own, as many wait as run: Tune keeps the
    worker of a trial that ended only where another trial is waiting for it, and a new worker costs seconds.
    """

    def __init__(self, conductor: Conductor, at_most: int, run_settings: Callable[[str], dict[str, Any]]) -> None:
        super().__init__(metric="score", mode="max")
        self.conductor, self.at_most, self.run_settings = conductor, at_most, run_settings

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self.conductor.handed_out >= self.at_most:
            return None
        todo = self.conductor.next()
        if todo is None:
            return Searcher.FINISHED if self.conductor.finished else None
        run = self.run_settings(todo.key) | {"decisions": self.conductor.decisions(todo)}
        return {"key": todo.key, "trial": todo.config.trial(todo.repeat), "run": run}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass  # the ledger is what a study is resumed from

    def restore(self, checkpoint_path: str) -> None:
        raise AssertionError("a study is resumed from its ledger, by launching it again")


class InTurn(StaysHere, FIFOScheduler):
    """Runs trials in the order in which they came, looking at live ones alone: Ray's own looks at all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: dict[Any, None] = {}  # an ordered set

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._queue[trial] = None

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        live = tune_controller.get_live_trials()
        self._queue = {trial: None for trial in (*self._queue, *live) if trial in live}  # a retried one comes back
        return next((trial for trial in self._queue if trial.status == trial.PENDING), None)


class ConductorStopper(StaysHere, Stopper):
    """Tune asks its stopper about every result before anyone else sees it: here results reach the ledger."""

    def __init__(self, conductor: Conductor, wake: Callable[[], None]) -> None:
        self.conductor, self.wake = conductor, wake

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        goes_on = self.conductor.result(result["key"], result)
        self.wake()
        return not goes_on

    def stop_all(self) -> bool:
        return self.conductor.stopping and self.conductor.finished


class Processes(Protocol):
    """What is known of the processes that trials train in."""

    def end_silent(self) -> None:
        """End those that are silent for longer than an epoch may take."""

    def excuses(self, key: str) -> bool:
        """Whether the last failure of a trial does not count."""

    def explain(self, trial: Any) -> str | None:
        """Where the process of a trial that failed hung, if that is why it ended."""


class OwnProcesses:
    """Each trial has one of its own. One that is stopped for longer than `timeout_s` is ended."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._workers = StoppedWorkers()
        self._ended: set[int] = set()  # by their numbers

    def end_silent(self) -> None:
        """End the processes that were stopped for so long, which neither Ray nor they themselves do."""
        for process, seconds in self._workers.look().items():
            if seconds > self.timeout_s:
                self._ended.add(process.pid)
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def excuses(self, key: str) -> bool:
        return False

    def explain(self, trial: Any) -> str | None:
        word = Path(trial.config["run"]["hang_file"])
        for file in word.parent.glob(f"{word.name}.*"):  # of each process that had the trial
            pid = int(file.suffix[1:])
            if where := STOPPED if pid in self._ended else where_it_hung(file):
                self._ended.discard(pid)
                file.unlink()
                return where
        return None


class LedgerCallback(StaysHere, Callback):
    """Starts, retries and failures of trials; what Tune need not keep of their results is taken from these."""

    def __init__(self, conductor: Conductor, processes: Processes) -> None:
        self.conductor, self.processes = conductor, processes

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.conductor.started(trial.config["key"])

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        for name in IN_THE_LEDGER:  # Tune keeps the last result of every trial, and statistics of each number in it
            result.pop(name, None)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if self.processes.excuses(trial.config["key"]):
            trial.run_metadata.num_failures -= 1
        self.conductor.retried(trial.config["key"], self._reason(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.conductor.failed(trial.config["key"], self._reason(trial))

    def _reason(self, trial: Any) -> str:
        where = self.processes.explain(trial)
        if where is None:
            return describe_failure(trial)
        return f"no epoch came for {trial.config['run']['timeout_s']:g} s (resources.timeout_s): it hung {where}"


def describe_failure(trial: Any) -> str:
    """The last line of what a trial's worker, or Ray, said when it broke."""
    try:
        lines = Path(trial.error_file).read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, TypeError):
        return "its worker broke without a word"
    said = [line.strip() for line in lines if line.strip()]
    if said and said[-1].startswith(("The actor is dead", "The actor died")):
        return "its worker process died"
    return said[-1][:500] if said else "its worker broke without a word"
