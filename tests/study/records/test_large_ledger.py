"""Reading a large ledger: what is asked often reads no more than it must, whatever the number of trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.made_up import make_spec, record_study
from study.records import states
from study.records.ledger import Ledger
from study.records.paths import Home
from study.results.compare import compare
from study.results.selection import cell_results
from study.tracking import trials_behind
from study.tracking.mlflow_view import MlflowView

TRIALS, EPOCHS = 300, 3
NAME = "large"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A study of 300 trials that have all ended."""
    home = Home(tmp_path_factory.mktemp("home"))
    record_study(home, make_spec(NAME, TRIALS, EPOCHS), TRIALS, EPOCHS)
    return home


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    with Ledger(home.study(NAME).ledger) as ledger:
        yield ledger


@contextmanager
def statements_of(ledger: Ledger) -> Iterator[list[str]]:
    """The statements that the ledger's file is asked meanwhile."""
    asked: list[str] = []
    ledger._connection.set_trace_callback(asked.append)
    try:
        yield asked
    finally:
        ledger._connection.set_trace_callback(None)


def whole_trials(asked: list[str]) -> int:
    """How many of the statements read every column of every trial."""
    return sum("FROM trials" in one and "best_score" in one and "json_each" not in one for one in asked)


def test_cells_count_their_trials_as_their_results_do(ledger: Ledger) -> None:
    results = cell_results(ledger, phase=None, all_scopes=True)
    assert ledger.cell_counts(5) == {cell.key: cell.counts for cell in results}
    assert sum(cell.counts.total() for cell in results) == TRIALS


def test_cells_count_the_repeats_that_the_study_asks_for(ledger: Ledger) -> None:
    assert sum(counts.total() for counts in ledger.cell_counts(2).values()) == TRIALS * 2 / 5


def test_progress_is_that_of_the_trials_that_have_begun(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db", write=True) as ledger:
        ledger.record_trials([("t1", "c1", 0, {}), ("t2", "c1", 1, {})])
        ledger.record_started("t2")
        assert ledger.progress() == {"t2": (0, states.RUNNING)}


def test_some_trials_are_read_without_the_others(ledger: Ledger) -> None:
    every = ledger.trials()
    some = list(every)[10:13]
    assert ledger.trials(some) == {key: every[key] for key in some}


def test_a_comparison_reads_the_trials_of_each_phase_once(ledger: Ledger) -> None:
    with statements_of(ledger) as asked:
        compare([(NAME, ledger)], phase="search")
    assert whole_trials(asked) == 1
    assert len(asked) < TRIALS


def test_the_results_of_a_phase_without_cells_read_no_trial(ledger: Ledger) -> None:
    with statements_of(ledger) as asked:
        assert cell_results(ledger, phase="confirm") == []
    assert not [one for one in asked if "trials" in one]


def test_counting_what_a_store_lacks_reads_no_whole_trial(home: Home, ledger: Ledger) -> None:
    with statements_of(ledger) as asked:
        assert trials_behind(ledger, home) == TRIALS
    assert whole_trials(asked) == 0


@pytest.fixture
def follower(home: Home) -> Iterator[Callable[[], MlflowView]]:
    """A view of a store that has everything of the study, as the ledger noted."""
    with Ledger(home.study(NAME).ledger, write=True) as ledger:

        def view() -> MlflowView:
            found = MlflowView("http://127.0.0.1:9", home.study(NAME), home, ledger)
            cells = [(c.key, "r", c.ended, "FINISHED") for c in cell_results(ledger, phase=None, all_scopes=True)]
            trials = [(key, "r", *reached) for key, reached in ledger.progress().items()]
            ledger.record_tracked(found.store, [*cells, *trials])
            return found

        yield view


def test_a_tracker_that_is_level_reads_no_whole_trial(follower: Callable[[], MlflowView]) -> None:
    view = follower()
    with statements_of(view.ledger) as asked:
        view.level()  # it would fail where it asked the store
    assert whole_trials(asked) == 0
    assert len(asked) < 10


def test_a_tracker_reads_only_the_trials_that_it_lacks(follower: Callable[[], MlflowView]) -> None:
    view = follower()
    key = next(iter(view.ledger.progress()))
    view.ledger.record_tracked(view.store, [(key, "r", 1, states.RUNNING)])
    with statements_of(view.ledger) as asked:
        assert [trial.key for trial in view.behind()] == [key]
    assert whole_trials(asked) == 0
