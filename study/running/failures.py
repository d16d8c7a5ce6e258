"""Why trials failed, as far as the machine that they ran on knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from ray.exceptions import RayActorError

from study.running.site import Site
from trainables.watchdog import hung_in


class Processes(Protocol):
    """What is known of the processes that trials train in."""

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
    """Each trial has one of its own."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def excuses(self, key: str) -> bool:
        return False

    def explain(self, trial: Any) -> str | None:
        word = Path(trial.config["run"]["hang_file"])
        texts = self._failures.texts(trial.config["key"], str(word.with_name(f"{word.name}.*")))
        return next((where for text in texts if (where := hung_in(text))), None)
