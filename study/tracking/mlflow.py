"""An MLflow view of the ledger that follows it on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from study.records.ledger import Ledger
from study.records.paths import Home, StudyPaths
from study.results.numbers import counted
from study.tracking.faults import PATIENCE_S
from study.tracking.mlflow_store import in_a_line
from study.tracking.mlflow_view import MlflowView

log = logging.getLogger(__name__)

PAUSE_S = 2.0  # between looks at the ledger
SHARE = 0.1  # of a core, while trials train: where they end faster than MLflow takes them in, it follows later
LONGEST_PAUSE_S = 60.0
SAY_EVERY_S = 5.0  # how much is left, at the end
LONGEST_S = 300.0  # at the end, however much there is to bring


class MlflowTracker:
    """An `MlflowView` on a thread of its own."""

    def __init__(self, uri: str, paths: StudyPaths, home: Home, ledger: Ledger) -> None:
        self.view = MlflowView(uri, paths, home, ledger)
        self.uri: str | None = self.view.store
        self.problem: str | None = None
        self._news, self._closing, self._left = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mlflow", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._news.set()

    def close(self, say: Callable[[str], None] = lambda text: None) -> str | None:
        self._closing.set()
        self._news.set()
        began = since = said = time.monotonic()
        pushed = self.view.pushed
        while self._thread.is_alive():
            self._thread.join(0.1)
            now = time.monotonic()
            if self.view.pushed != pushed:
                pushed, since = self.view.pushed, now
            if now - said >= SAY_EVERY_S:
                said = now
                say(f"bringing MLflow up to date, {counted(self.view.num_behind, 'trial')} left")
            if now - since > PATIENCE_S or now - began > LONGEST_S:
                self._left.set()
                slow = "is slow, and behind" if pushed and now - since <= PATIENCE_S else "does not answer"
                return f"MLflow at {self.view.store} {slow}"
        return self.problem

    def _follow(self) -> None:
        pause = PAUSE_S
        while not self._closing.is_set():
            self._news.wait()
            self._news.clear()
            before = time.thread_time()
            pause = PAUSE_S if self._level() else min(2 * pause, LONGEST_PAUSE_S)
            rest = (time.thread_time() - before) / SHARE
            self._closing.wait(max(pause, min(rest, LONGEST_PAUSE_S)))
        self._level(hurry=True)

    def _level(self, *, hurry: bool = False) -> bool:
        try:
            self.view.level(hurry=hurry)
            self.problem = None
        except Exception as problem:  # whatever a store can raise: the study goes on, the ledger has it all
            news = self.problem is None and not self._left.is_set()
            self.problem = f"MLflow at {self.view.store} is behind: {in_a_line(problem, self.view.uri)}"
            if news:
                log.warning(self.problem)
            self.view.disconnect()
        return self.problem is None
