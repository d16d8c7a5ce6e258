"""A study that is trained for real, in this process and without Ray, for tests of what comes out."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from study.planning.agenda import Todo
from study.records.ledger import Ledger
from study.records.paths import Home, StudyPaths
from study.spec import StudySpec
from tests.study.conftest import Driver, Worker
from trainables.engine.session import Session


@dataclass
class TrainingWorker(Worker):
    """Trains a trial up to its next decision or its end, and leaves its checkpoint where a launch would."""

    home: Home = field(default_factory=Home.current)
    paths: StudyPaths = field(default_factory=lambda: StudyPaths(Path()))

    def step(self, todo: Todo, reached: int, decisions: list[int], *, standing: bool = False) -> dict[str, Any] | None:
        trial = todo.config.trial(todo.repeat)
        session = Session(todo.key, trial, self.home.cache, self.paths.checkpoint(todo.key))
        opened = session.epoch
        while not session.done:
            session.advance()
            if session.epoch in decisions:
                break
        return {
            "key": todo.key,
            "epoch": session.epoch,
            "opened_epoch": opened,
            "best_epoch": session.best_epoch,
            "score": session.history[-1].get(trial["monitor"]["metric"], float("nan")),
            "state": "completed" if session.done else "running",
            "reports": [{"epoch": epoch, **metrics} for epoch, metrics in enumerate(session.history, 1)],
            "facts": {**session.facts, "threads": 1, "device": "cpu"},
            "checkpoint": session.save(),
            "problem": "",
            "warnings": [],
        }


@dataclass(frozen=True)
class Trained:
    """A study in a home of its own."""

    home: Home
    paths: StudyPaths
    driver: Driver
    spec: StudySpec

    def ledger(self) -> Ledger:
        return Ledger(self.paths.ledger)


def train(root: Path, spec: StudySpec) -> Trained:
    """The search of `spec`, trained in `root`."""
    study = _at(root, spec)
    study.paths.root.mkdir(parents=True)
    study.driver.launch(spec)
    return study


def confirm(searched: Trained, root: Path, spec: StudySpec) -> Trained:
    """A copy of a searched study in `root` with its confirmation, as `spec` asks for it."""
    shutil.copytree(searched.home.root, root, dirs_exist_ok=True)
    study = _at(root, spec)
    study.driver.confirm(spec)
    return study


def _at(root: Path, spec: StudySpec) -> Trained:
    home = Home(root)
    paths = home.study(spec.name)
    worker = TrainingWorker(home=home, paths=paths)
    return Trained(home, paths, Driver(paths.ledger, home.cache, worker), spec)
