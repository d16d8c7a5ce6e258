"""The order in which Tune is told to run trials."""

from __future__ import annotations

from study.running.tuning import InTurn


class Trial:
    """One of Tune's trials, as far as a scheduler looks at it."""

    PENDING = "PENDING"

    def __init__(self) -> None:
        self.status = self.PENDING


class Controller:
    """What Tune shows a scheduler; it would fail where that asks for all trials."""

    def __init__(self) -> None:
        self.live: set[Trial] = set()

    def get_live_trials(self) -> set[Trial]:
        return self.live


def test_live_trials_run_in_the_order_in_which_they_came_and_a_retried_one_again() -> None:
    turn, controller, trials = InTurn(), Controller(), [Trial() for _ in range(50)]
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
