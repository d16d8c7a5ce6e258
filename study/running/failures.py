"""Why trials failed, as far as the machine that they ran on knows."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psutil
from ray.exceptions import RayActorError

from study.running.site import Site
from study.running.stopped import StoppedWorkers
from trainables.watchdog import hung_in

STOPPED = "with its process stopped, as by SIGSTOP or a debugger"


class Processes(Protocol):
    """What is known of the processes that trials train in."""

    def watch(self) -> None:
        """End those that are silent for longer than an epoch may take; called now and then."""

    def excuses(self, key: str) -> bool:
        """Whether the last failure of a trial does not count."""

    def explain(self, trial: Any) -> str | None:
        """Where the process of a trial that failed hung, if that is why it ended."""


class Failures:
    """The last failure of each trial that was no error of its own code."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._actors: dict[str, str] = {}
        self._departed: dict[str, str] = {}

    def excused(self, trial: Any, exception: Exception) -> bool:
        """Whether the trial failed because its node left; asked of each failure, before it is counted."""
        key = trial.config["key"]
        self._actors.pop(key, None)
        self._departed.pop(key, None)
        if not isinstance(exception, RayActorError) or not exception.actor_id:
            return False
        self._actors[key] = exception.actor_id
        if (node := self._site.departed(exception.actor_id)) is None:
            return False
        self._departed[key] = node
        return True

    def departed(self, key: str) -> str | None:
        """The node that a trial's last failure came with."""
        return self._departed.get(key)

    def texts(self, key: str, pattern: str) -> list[str]:
        """What files hold that a trial's process left where it ran."""
        actor = self._actors.get(key)
        return self._site.texts(pattern, actor) if actor is not None else []


class OwnProcesses:
    """Each trial has one of its own. One of this machine's that is stopped for longer than `timeout_s` is ended."""

    def __init__(self, failures: Failures, timeout_s: float) -> None:
        self._failures, self.timeout_s = failures, timeout_s
        self._workers = StoppedWorkers()
        self._ended: set[int] = set()  # by their numbers

    def watch(self) -> None:
        """End the processes that were stopped for so long, which neither Ray nor they themselves do."""
        for process, seconds in self._workers.look().items():
            if seconds > self.timeout_s:
                self._ended.add(process.pid)
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def excuses(self, key: str) -> bool:
        return False

    def explain(self, trial: Any) -> str | None:
        word, key = Path(trial.config["run"]["hang_file"]), trial.config["key"]
        for pid in tuple(self._ended):
            if self._failures.texts(key, str(word.with_name(f"{word.name}.{pid}"))):
                self._ended.discard(pid)
                return STOPPED
        texts = self._failures.texts(key, str(word.with_name(f"{word.name}.*")))
        return next((where for text in texts if (where := hung_in(text))), None)
