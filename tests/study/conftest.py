"""What the tests of the platform share: a small study, and a worker that trains nothing and drives a Conductor."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from study.planning.agenda import Todo
from study.planning.plan import Plan, make_plan
from study.records.ledger import Ledger
from study.running.conductor import Conductor
from study.running.confirm import ConfirmAgenda, make_confirm_plan
from study.spec import StudySpec
from study.spec.study_file import parse_spec
from study.spec.yaml_file import parse_document

SMALL = """\
name: small
seed: 3
dataset: {name: digits, holdout: 0.2}
noise: {kind: uniform, rate: [0.0, 0.4]}
model: {name: mlp, hidden: 8}
families:
  - ce
  - family: tce
    space:
      alpha: {grid: [0.5, 1.0, 1.5]}
training:
  epochs: 9
  optimizer:
    name: sgd
    lr: 0.05
search: {name: grid, repeats: 2}
tracking: {enabled: false}
"""

ASHA = {"name": "asha", "grace_epochs": 1, "reduction": 3}
FOUR: dict[str, Any] = {
    "families": [{"family": "tce", "space": {"alpha": {"grid": [0.5, 1.0, 1.5, 2.0]}}}],
    "noise__rate": 0.0,
}
TPE: dict[str, Any] = {
    "families": [{"family": "tce", "space": {"alpha": {"uniform": [0.25, 2.0]}}}],
    "search": {"name": "tpe", "configs": 18, "repeats": 1},
    "noise__rate": 0.0,
}

SpecMaker = Callable[..., StudySpec]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def make_spec() -> SpecMaker:
    """The study SMALL; `training__epochs=5` replaces one value."""
    small = parse_document(SMALL, "small.yaml")

    def make(**changes: Any) -> StudySpec:
        document = copy.deepcopy(small)
        for name, value in changes.items():
            holder: Any = document.values
            *parents, last = name.split("__")
            for parent in parents:
                holder = holder.setdefault(parent, {})
            holder[last] = copy.deepcopy(value)
        return parse_spec(document)

    return make


@pytest.fixture(scope="session")
def plan_of(make_spec: SpecMaker, cache: Path) -> Callable[..., Plan]:
    return lambda **changes: make_plan(make_spec(**changes), cache)


def by_number(todo: Todo, epoch: int) -> float:
    """Config 0 is best, 1 is next; accuracy rises with each epoch, and a little with the repeat."""
    return 0.9 - 0.05 * todo.config.number + 0.001 * epoch + 0.0001 * todo.repeat


def by_alpha(todo: Todo, epoch: int) -> float:
    """The nearer alpha is to 1 the better."""
    return 0.9 - 0.1 * abs(todo.config.params["alpha"] - 1.0) + 0.001 * epoch


@dataclass
class Worker:
    """Trains nothing: gives results of the shape that `trainables/base.py` gives, and goes on from its checkpoints.

    `mishap` may say that a trial is `diverged`, `failed` or `interrupted` once it has reached an epoch.
    """

    accuracy: Callable[[Todo, int], float] = by_number
    mishap: Callable[[Todo, int], str | None] = lambda todo, epoch: None
    checkpoints: dict[str, int] = field(default_factory=dict)

    def step(self, todo: Todo, reached: int, decisions: list[int], *, standing: bool = False) -> dict[str, Any] | None:
        """The next result; None where the worker breaks. With `standing` it reports where it is, and trains no more."""
        trial = todo.config.trial(todo.repeat)
        epochs = trial.get("confirm", {}).get("epoch", trial["training"]["epochs"])
        first, epoch, state = reached + 1, reached, None
        while state is None and epoch < epochs and not standing:
            epoch += 1
            state = self.mishap(todo, epoch)
            if epoch in decisions:
                break
        if state == "failed":
            return None
        self.checkpoints[todo.key] = epoch
        reports = [self.report(todo, e) for e in range(first, epoch + 1)]
        return {
            "key": todo.key,
            "epoch": epoch,
            "opened_epoch": reached,
            "best_epoch": max(range(1, epoch + 1), key=lambda e: self.accuracy(todo, e)),
            "score": self.report(todo, epoch)[trial["monitor"]["metric"]],
            "state": state or ("completed" if epoch == epochs else "running"),
            "reports": reports,
            "facts": {
                "split_digest": "one split",
                "noise_digest": f"mask of repeat {todo.repeat}",
                "threads": 1,
                "device": "cpu",
                **({"test_digest": "one test set"} if "confirm" in trial else {}),
                **self.tested(todo),
            },
            "problem": "",
            "warnings": [],
        }

    def tested(self, todo: Todo) -> dict[str, Any]:
        """What a confirmation found, and a search never does."""
        confirmed = "confirm" in todo.config.trial(todo.repeat)
        return {"test": {"test_accuracy": 0.8 + 0.01 * todo.repeat}} if confirmed else {}

    def report(self, todo: Todo, epoch: int) -> dict[str, Any]:
        accuracy = self.accuracy(todo, epoch)
        return {
            "epoch": epoch,
            "train_loss": 1 - accuracy,
            "val_accuracy_noisy": accuracy,
            "val_accuracy_clean": accuracy + 0.01,
            "val_loss_noisy": 1 - accuracy,
            "val_loss_clean": 0.99 - accuracy,
            "seconds": 0.5,
        }


@dataclass
class Stop:
    """What a user's Ctrl-C raises."""

    raised: bool = False

    def __bool__(self) -> bool:
        return self.raised


Ran = tuple[str, float, int, int]  # family, noise rate, config number, repeat


def describe(todo: Todo) -> Ran:
    trial = todo.config.trial(todo.repeat)
    return (trial["loss"]["family"], trial["noise"]["rate"], todo.config.number, todo.repeat)


@dataclass
class Launch:
    """What one launch did: the trials it handed out, in order, and the conductor and the epochs at their end."""

    ran: list[Ran]
    keys: list[str]
    conductor: Conductor


@dataclass
class Driver:
    """Launches studies against one ledger, as `study/running/launch.py` does, with Ray and training left out."""

    ledger_path: Path
    cache: Path
    worker: Worker = field(default_factory=Worker)
    stop: Stop = field(default_factory=Stop)

    def launch(self, spec: StudySpec, *, slots: int = 2, dies_after: int | None = None) -> Launch:
        """Run what is missing; with `dies_after`, end without a word after so many results."""
        with Ledger(self.ledger_path, write=True) as ledger:
            ledger.record_spec(spec.model_dump(mode="json"), {})
            return self._run(Conductor(make_plan(spec, self.cache), ledger, self.stop), slots, dies_after)

    def confirm(
        self, spec: StudySpec, *, partial: bool = False, slots: int = 2, dies_after: int | None = None
    ) -> Launch:
        """Run what is missing of a confirmation."""
        with Ledger(self.ledger_path, write=True) as ledger:
            winners = make_confirm_plan(make_plan(spec, self.cache), ledger, self.cache, partial=partial)
            return self._run(Conductor(winners, ledger, self.stop, ConfirmAgenda), slots, dies_after)

    def _run(self, conductor: Conductor, slots: int, dies_after: int | None) -> Launch:
        launch = Launch([], [], conductor)
        working: dict[str, tuple[Todo, int]] = {}
        results = 0
        while True:
            while len(working) < slots and (todo := conductor.next()) is not None:
                assert todo.key not in working, "a trial was handed out twice"
                conductor.started(todo.key)
                launch.ran.append(describe(todo))
                launch.keys.append(todo.key)
                working[todo.key] = (todo, 0)
            if not working:
                assert conductor.finished
                return launch
            for key, (todo, reached) in list(working.items()):
                decisions = conductor.decisions(todo)
                start = max(reached, self.worker.checkpoints.get(key, 0))
                undecided = reached == 0 and start in decisions  # it died, or was stopped, right there
                result = self.worker.step(todo, start, [e for e in decisions if e > start], standing=undecided)
                if result is None:
                    conductor.failed(key, "RuntimeError: broken on purpose")
                    del working[key]
                    continue
                if reached == 0 and start > 0:  # a resumed trial brings its history along
                    result["reports"] = [self.worker.report(todo, e) for e in range(1, result["epoch"] + 1)]
                goes_on = conductor.result(key, result)
                if goes_on:
                    working[key] = (todo, result["epoch"])
                else:
                    del working[key]
                results += 1
                if results == dies_after:
                    return launch

    def states(self) -> dict[str, int]:
        """How many trials are in each state."""
        with Ledger(self.ledger_path) as ledger:
            states = [record.state for record in ledger.trials().values()]
        return {state: states.count(state) for state in sorted(set(states))}


@pytest.fixture
def driver(tmp_path: Path, cache: Path) -> Driver:
    return Driver(tmp_path / "ledger.db", cache)
