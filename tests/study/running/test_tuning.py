"""The order in which Tune is told to run trials, which of them gets a free process, and which failures count."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.execution.tune_controller import TuneController

from study.running.control import Controller
from study.running.tuning import InTurn


class Trial:
    """One of Tune's trials, as far as a scheduler looks at it."""

    PENDING = "PENDING"

    def __init__(self) -> None:
        self.status = self.PENDING


class Shown:
    """What Tune shows a scheduler; it would fail where that asks for all trials."""

    def __init__(self) -> None:
        self.live: set[Trial] = set()

    def get_live_trials(self) -> set[Trial]:
        return self.live


def test_live_trials_run_in_the_order_in_which_they_came_and_a_retried_one_again() -> None:
    turn, controller, trials = InTurn(), Shown(), [Trial() for _ in range(50)]
    for trial in trials:
        controller.live.add(trial)
        turn.on_trial_add(controller, trial)
    seen = []
    while (trial := turn.choose_trial_to_run(controller)) is not None:
        seen.append(trial)
        trial.status = "RUNNING"
    assert seen == trials
    controller.live = set()
    assert turn.choose_trial_to_run(controller) is None
    trials[7].status = "PENDING"
    controller.live = {trials[7]}
    assert turn.choose_trial_to_run(controller) is trials[7]


class Starting:
    """Tune's knowledge of which actors were started."""

    def __init__(self, started: set[str]) -> None:
        self._started = started

    def is_actor_started(self, actor: str) -> bool:
        return actor in self._started


@pytest.mark.parametrize(
    ("started", "gets_it"),
    [(set(), "first"), ({"of first"}, "second"), ({"of first", "of second"}, "first")],
    ids=["none is coming", "one is coming", "all are coming: they may wait for the cores of this one"],
)
def test_a_process_that_is_free_goes_to_a_trial_that_has_none_on_its_way(
    started: set[str], gets_it: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr(TuneController, "_maybe_reuse_cached_actor", lambda self, trial: given.append(trial) or True)
    controller = Controller.__new__(Controller)
    turn, waiting = InTurn(), ("first", "second")
    for trial in waiting:
        turn.on_trial_add(None, trial)
    facts = {
        "_pending_trials": set(waiting), "_staged_trials": set(waiting), "_scheduler_alg": turn,
        "_trial_to_actor": {trial: f"of {trial}" for trial in waiting}, "_actor_manager": Starting(started),
    }  # fmt: skip
    controller.__dict__.update(facts)
    controller._maybe_reuse_cached_actor("first")
    assert given == [gets_it]


@pytest.mark.parametrize("excused", [True, False])
def test_a_failure_that_is_excused_is_not_counted(excused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def counts(self: Any, trial: Any, exception: Exception) -> None:
        trial.run_metadata.num_failures += 1

    monkeypatch.setattr(TuneController, "_process_trial_failure", counts)
    controller = Controller.__new__(Controller)
    controller.__dict__["_excused"] = lambda trial, exception: excused
    trial = SimpleNamespace(run_metadata=SimpleNamespace(num_failures=0))
    controller._process_trial_failure(trial, RuntimeError())
    assert trial.run_metadata.num_failures == (0 if excused else 1)
