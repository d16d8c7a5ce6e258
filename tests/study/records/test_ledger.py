"""The ledger: every epoch once, every batch whole, whoever dies in the middle."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from study.errors import StudyError
from study.records.ledger import CONFIRM, Ledger
from study.records.ledger_file import MIGRATIONS, SCHEMA_VERSION
from study.records.states import COMPLETED, FAILED, RUNNING, WAITING

MONITOR = "val_accuracy_noisy"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path, write=True) as ledger:
        ledger.record_trials([("t1", "c1", 0, {"loss": {"family": "ce"}}), ("t2", "c1", 1, {"loss": {"family": "ce"}})])
        yield ledger


def result(first: int, *scores: float, best: int | None = None, **more: Any) -> dict[str, Any]:
    """A worker's result that brings `scores` as epochs first, first + 1, ..."""
    reports = [{"epoch": first + i, MONITOR: score, "seconds": 0.5} for i, score in enumerate(scores)]
    epoch = first + len(scores) - 1
    return {"reports": reports, "epoch": epoch, "best_epoch": best or epoch, "facts": {"noise_digest": "n"}, **more}


def test_results_become_reports_scores_and_seconds(ledger: Ledger) -> None:
    ledger.record_started("t1")
    ledger.record_result("t1", result(1, 0.5, 0.9, best=2), MONITOR)
    ledger.record_result("t1", result(3, 0.7, best=2), MONITOR)
    assert [(epoch, metrics[MONITOR]) for epoch, metrics in ledger.reports("t1")] == [(1, 0.5), (2, 0.9), (3, 0.7)]
    assert [epoch for epoch, _ in ledger.reports("t1", after=2)] == [3]
    record = ledger.trials()["t1"]
    assert (record.state, record.epoch, record.best_epoch, record.attempts) == (RUNNING, 3, 2, 1)
    assert (record.best_score, record.last_score, record.seconds) == (0.9, 0.7, 1.5)
    assert record.facts == {"noise_digest": "n"}
    assert ledger.trials()["t2"].state == WAITING
    assert ledger.report("t1", 9) == ledger.report("t2", 1) == {}


def test_an_epoch_told_twice_stays_as_it_was_first_and_is_timed_once(ledger: Ledger) -> None:
    ledger.record_result("t1", result(1, 0.5, 0.6), MONITOR)
    ledger.record_result("t1", result(1, 0.1, 0.2, 0.7), MONITOR)
    assert [metrics[MONITOR] for _, metrics in ledger.reports("t1")] == [0.5, 0.6, 0.7]
    assert ledger.trials()["t1"].seconds == 1.5


def test_a_resumed_trial_that_is_behind_takes_no_epoch_back(ledger: Ledger) -> None:
    ledger.record_result("t1", result(1, 0.5, 0.6, 0.7), MONITOR)
    ledger.record_result("t1", result(2, 0.6), MONITOR)
    assert ledger.trials()["t1"].epoch == 3


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_finite_number_is_kept_as_null(number: float, ledger: Ledger) -> None:
    ledger.record_result("t1", result(1, number), MONITOR)
    assert ledger.report("t1", 1)[MONITOR] is None
    assert ledger.trials()["t1"].best_score is None


def test_an_exception_in_the_middle_leaves_nothing_behind(ledger: Ledger, path: Path) -> None:
    def trials() -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        yield "t3", "c2", 0, {}
        raise RuntimeError("broken on purpose")

    with pytest.raises(RuntimeError):
        ledger.record_trials(trials())
    broken = result(1, 0.5, 0.6)
    broken["reports"][1]["facts"] = object()
    with pytest.raises(TypeError):
        ledger.record_result("t1", broken, MONITOR)
    assert set(ledger.trials()) == {"t1", "t2"}
    assert ledger.reports("t1") == []
    ledger.record_result("t1", result(1, 0.5), MONITOR)  # and it goes on working
    with Ledger(path) as other:
        assert len(other.reports("t1")) == 1


def test_others_read_while_a_write_is_going_on_and_see_whole_batches(ledger: Ledger, path: Path) -> None:
    ledger.record_result("t1", result(1, 0.5), MONITOR)

    def trials() -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        yield "t3", "c2", 0, {}
        with Ledger(path) as reader:
            assert set(reader.trials()) == {"t1", "t2"}
            assert len(reader.reports("t1")) == 1
        yield "t4", "c2", 1, {}

    with Ledger(path) as before:
        ledger.record_trials(trials())
        assert set(before.trials()) == {"t1", "t2", "t3", "t4"}


def test_a_reader_cannot_write(ledger: Ledger, path: Path) -> None:
    with Ledger(path) as reader, pytest.raises(sqlite3.OperationalError):
        reader.record_event("x", "y")


def test_known_trials_are_left_as_they_are(ledger: Ledger) -> None:
    ledger.record_result("t1", result(1, 0.5), MONITOR)
    ledger.record_ended("t1", COMPLETED)
    ledger.record_trials([("t1", "c1", 0, {"loss": {"family": "other"}})])
    assert ledger.trials()["t1"].state == COMPLETED
    assert ledger.trial("t1") == {"loss": {"family": "ce"}}


def test_cells_and_configs_that_are_not_asked_for_fall_out_of_scope_and_come_back(ledger: Ledger) -> None:
    ledger.record_cells([("a", {"label": "a"}), ("b", {"label": "b"})])
    ledger.record_configs([("a", "c1", 0, {"x": 1}), ("b", "c1", 0, {"x": 1}), ("b", "c2", 1, {"x": 2})])
    ledger.record_cells([("b", {"label": "new"})])
    ledger.record_configs([("b", "c2", 0, {"x": 2})])
    assert ledger.cells() == [("b", {"label": "new"})]
    assert ledger.configs() == [("b", "c2", 0, {"x": 2})]
    assert len(ledger.configs(all_scopes=True)) == 3
    ledger.record_cells([("b", {}), ("a", {})])
    assert [key for key, _ in ledger.cells()] == ["b", "a"]


def test_counts_say_how_many_trials_there_are_and_how_many_have_ended(ledger: Ledger) -> None:
    assert ledger.counts() == {"trials": 2, "ended": 0, "last": None}
    before = time.time()
    ledger.record_started("t1")
    ledger.record_started("t2")
    ledger.record_ended("t2", FAILED, "broken on purpose")
    counts = ledger.counts()
    assert (counts["trials"], counts["ended"]) == (2, 1)
    assert before <= counts["last"] <= time.time()
    assert ledger.trials()["t2"].reason == "broken on purpose"


def test_a_trial_that_starts_again_forgets_how_it_ended_and_counts_its_attempts(ledger: Ledger) -> None:
    ledger.record_started("t1")
    ledger.record_ended("t1", "stopped_early", "not among the best", "asha")
    assert ledger.trials()["t1"].stopped_under == "asha"
    ledger.record_started("t1")
    record = ledger.trials()["t1"]
    assert (record.state, record.reason, record.stopped_under, record.ended_at) == (RUNNING, "", "", None)
    assert record.attempts == 2


def test_what_a_dead_driver_left_running_is_interrupted(ledger: Ledger) -> None:
    ledger.record_started("t1")
    assert ledger.interrupt_running("it died") == 1
    assert (ledger.trials()["t1"].state, ledger.trials()["t1"].reason) == ("interrupted", "it died")
    assert ledger.interrupt_running("it died") == 0


def test_the_last_events_come_oldest_first(ledger: Ledger) -> None:
    for number in range(5):
        ledger.record_event("kind", f"message {number}", "t1" if number else None)
    assert [event["message"] for event in ledger.events(last=2)] == ["message 3", "message 4"]
    assert ledger.events()[0]["trial_key"] is None


def test_the_last_spec_counts_and_a_trial_keeps_the_environment_it_ran_in(ledger: Ledger) -> None:
    assert ledger.spec() is None
    ledger.record_spec({"name": "a"}, {"commit": "1"})
    ledger.record_trials([("t1", "c", 0, {}), ("t2", "c", 1, {})])
    ledger.record_started("t1")
    ledger.record_spec({"name": "b"}, {"commit": "2"})
    ledger.record_started("t2")
    assert ledger.spec() == {"name": "b"}
    assert [ledger.environment(key)["commit"] for key in ("t1", "t2")] == ["1", "2"]


def test_tracking_is_noted_per_store(ledger: Ledger) -> None:
    ledger.record_tracked("one", [("t1", "run", 3, RUNNING)])
    ledger.record_tracked("one", [("t1", "run", 5, COMPLETED)])
    ledger.record_tracked("two", [("t1", "other", 1, RUNNING)])
    assert ledger.stores() == ["one", "two"]
    assert ledger.tracked("one") == {"t1": ("run", 5, COMPLETED)}


# -- files that are not ours ------------------------------------------------------------------------------------------


def test_a_ledger_of_a_newer_format_is_refused_and_left_alone(ledger: Ledger, path: Path) -> None:
    ledger.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    for write in (False, True):
        with pytest.raises(
            StudyError, match=rf"format {SCHEMA_VERSION + 1}, this program reads up to {SCHEMA_VERSION}"
        ):
            Ledger(path, write=write)


@pytest.mark.parametrize("content", [b"this is no database " * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_not_a_database_is_refused_and_left_alone(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    for write in (False, True):
        with pytest.raises(StudyError, match=r"not a ledger.*; put a copy of it back, or remove the study with"):
            Ledger(path, write=write)
    assert path.read_bytes() == content


def test_a_ledger_that_is_not_there_is_not_made_by_reading_it(path: Path) -> None:
    with pytest.raises(StudyError, match="no ledger; launch the study first"):
        Ledger(path)
    assert not path.exists()
    path.touch()
    with pytest.raises(StudyError, match="not begun yet; launch the study"):
        Ledger(path)
    with Ledger(path, write=True) as ledger:  # a driver that died before its first write is no obstacle
        assert ledger.trials() == {}
    with pytest.raises(StudyError, match=r"not a ledger that can be opened: unable to open database file$"):
        Ledger(path.parent / "no" / "such" / "folder.db", write=True)


def test_a_ledger_of_the_first_format_is_brought_to_this_one_with_what_is_in_it(path: Path) -> None:
    with sqlite3.connect(path) as old:
        for statement in MIGRATIONS[0].split(";\n"):
            old.execute(statement)
        old.execute("INSERT INTO cells VALUES ('k', 0, 1, '{\"family\": \"ce\"}')")
        old.execute("INSERT INTO configs VALUES ('k', 'c', 0, '{}', 1)")
        old.execute("PRAGMA user_version = 1")
    old.close()
    with Ledger(path) as ledger:  # whoever opens it first, for reading too
        assert ledger.cells() == [("k", {"family": "ce"})]
        assert ledger.configs() == [("k", "c", 0, {})]
        assert ledger.cells(phase=CONFIRM) == []
    with Ledger(path) as ledger:
        assert ledger.cells() == [("k", {"family": "ce"})]


OPENER = """
import sys
from pathlib import Path
from study.records.ledger import Ledger
path = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
with Ledger(path) as ledger:
    print(len(ledger.identity()), flush=True)
"""


def test_many_that_open_a_ledger_of_the_first_format_at_once_all_read_it(tmp_path: Path) -> None:
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(tmp_path / "old.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(6)
    ]  # fmt: skip
    with closing(sqlite3.connect(tmp_path / "old.db")) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.executescript(MIGRATIONS[0] + "PRAGMA user_version = 1;")
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    told = [opener.communicate(timeout=60) for opener in openers]
    assert told == [("32\n", "")] * len(openers)


def test_another_that_migrated_in_the_meantime_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(MIGRATIONS[0] + "PRAGMA user_version = 1;")
    waiting = Ledger._transaction

    def overtaken(ledger: Ledger) -> Any:
        monkeypatch.setattr(Ledger, "_transaction", waiting)
        Ledger(path, write=True).close()
        return waiting(ledger)

    monkeypatch.setattr(Ledger, "_transaction", overtaken)
    with Ledger(path, write=True) as ledger:
        assert len(ledger.identity()) == 32


def test_phases_have_scopes_of_their_own(ledger: Ledger) -> None:
    ledger.record_cells([("a", {}), ("b", {})])
    ledger.record_cells([("x", {})], phase=CONFIRM)
    ledger.record_configs([("a", "c1", 0, {}), ("x", "c2", 0, {})])
    ledger.record_cells([("b", {})])
    assert [key for key, _ in ledger.cells()] == ["b"]
    assert [key for key, _ in ledger.cells(phase=CONFIRM)] == ["x"]
    assert sorted(key for key, _ in ledger.cells(phase=None, all_scopes=True)) == ["a", "b", "x"]
    assert [config for _, config, _, _ in ledger.configs()] == []
    assert [config for _, config, _, _ in ledger.configs(phase=CONFIRM)] == ["c2"]


def test_what_the_oracle_says_is_kept_apart_from_every_score(ledger: Ledger) -> None:
    ledger.record_oracle("t1", {"test_accuracy": 0.5})
    ledger.record_oracle("t1", {"test_accuracy": 0.6})
    assert ledger.oracle() == {"t1": {"test_accuracy": 0.6}}
    assert ledger.trials()["t1"].best_score is None
