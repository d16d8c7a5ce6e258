"""How long a launch will still take, and what it says of trials that fail."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from study.cli.progress import LaunchProgress
from study.planning.plan import make_plan
from study.records.ledger import Ledger
from study.running.conductor import Conductor
from study.running.pace import Pace
from tests.study.conftest import Driver, SpecMaker


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    """Of two trials that have trained for ten seconds, an epoch a second each."""
    pace = Pace(clock)
    for key in "ab":
        pace.started(key)
    clock.at += 60  # to begin
    pace.trained("a", 1)
    for _ in range(10):
        clock.at += 1
        for key in "ab":
            pace.trained(key, 1)
    return pace


def test_time_is_foretold_by_the_epochs_of_all_trials_after_the_first(pace: Pace) -> None:
    assert pace.seconds(100) == pytest.approx(50)


def test_nothing_is_foretold_before_there_is_a_pace(clock: Clock) -> None:
    pace = Pace(clock)
    assert pace.seconds(100) is None
    pace.started("a")
    pace.trained("a", 1)
    clock.at += 4
    pace.trained("a", 3)
    assert pace.seconds(100) is None
    clock.at += 2
    assert pace.seconds(100) == pytest.approx(200)


def test_trials_that_fail_change_nothing_however_long_they_took(pace: Pace, clock: Clock) -> None:
    for key in "ab":
        pace.left(key)
    for key in "cdefg":
        pace.started(key)
        clock.at += 120
        pace.trained(key, 1)
        pace.left(key, failed=True)
        clock.at += 30  # for which no trial has a worker
    assert pace.seconds(100) == pytest.approx(50)


def test_a_trial_that_fails_beside_another_takes_its_share_of_the_time_along(pace: Pace, clock: Clock) -> None:
    pace.left("b")
    pace.started("c")
    clock.at += 10
    pace.trained("a", 10)
    pace.left("c", failed=True)
    assert pace.seconds(30) == pytest.approx(15)


@pytest.mark.parametrize("terminal", [True, False])
def test_each_reason_for_which_trials_fail_is_told_once(terminal: bool, driver: Driver, make_spec: SpecMaker) -> None:
    said = StringIO()
    progress = LaunchProgress(Console(file=said, force_terminal=terminal, width=200))
    with Ledger(driver.ledger_path, write=True) as ledger:
        conductor = Conductor(make_plan(make_spec(), driver.cache), ledger)
        progress.watch(conductor)
        for reason in ("no room for 3 images", "no room for 14 images", "[it] broke"):
            todo = conductor.next()
            assert todo is not None
            conductor.started(todo.key)
            conductor.failed(todo.key, reason)
        progress.close()
    told = [line for line in Text.from_ansi(said.getvalue()).plain.splitlines() if "failed: " in line]
    assert [line.partition("failed: ")[2].strip() for line in told] == ["no room for 3 images", "[it] broke"]
