"""Compare, report, export and confirm of studies with nothing to show: one line each, and nothing half written."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from study.errors import StudyError
from study.export import export_study
from study.records.ledger import Ledger
from study.records.states import DIVERGED
from study.report import make
from study.report.make import write_report
from study.spec.yaml_file import to_yaml
from tests.study.conftest import Todo
from tests.study.report.conftest import Command, Reporter

COMMANDS = ("compare", "report", "export", "confirm")
SMALL: dict[str, Any] = {"families": ["ce", "mse"], "noise__rate": 0.0, "training__epochs": 3, "search__repeats": 2}


def launch(reporter: Reporter, **changes: Any) -> None:
    """A study with its file beside its ledger, as a launch leaves them."""
    confirm = changes.pop("confirm", 0)
    reporter.launch(**SMALL | changes, confirm=confirm)
    spec = reporter.make_spec(**SMALL | changes)
    reporter.paths.study_file.write_text(to_yaml(spec.model_dump(mode="json", exclude_none=True)))


def refused(run: Command, command: str) -> str:
    """The line in which the study `small` is refused."""
    code, out, err = run(command, "small")
    assert code == 2
    lines = [line for line in (out + err).splitlines() if not re.match(r"\s*\d+ s ", line)]  # what it was at
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_study_whose_trials_all_diverged_says_so(reporter: Reporter, run: Command, command: str) -> None:
    reporter.worker.mishap = lambda todo, epoch: DIVERGED
    launch(reporter)
    said = refused(run, command)
    assert re.search(rf"'small' has no completed trial .*to {command} \(2 diverged\); see 'study status small'", said)
    assert not {path.name for path in reporter.paths.root.iterdir()} & {"report", "best"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_study_of_which_nothing_ran_says_so(reporter: Reporter, run: Command, command: str) -> None:
    reporter.paths.root.mkdir(parents=True)
    with Ledger(reporter.paths.ledger, write=True):
        pass
    said = refused(run, command)
    assert ("study.yaml is missing" if command == "confirm" else "(none ran)") in said


def test_a_confirmation_that_diverged_names_the_search_as_what_can_be_compared(
    reporter: Reporter, run: Command
) -> None:
    reporter.worker.mishap = lambda todo, epoch: DIVERGED if "confirm" in todo.config.trial(todo.repeat) else None
    launch(reporter, confirm=2)
    said = refused(run, "compare")
    assert "no completed trial of the confirmation to compare (4 diverged)" in said
    assert "--phase search" in said
    assert run("compare", "small", "--phase", "search")[0] == 0


@pytest.mark.parametrize("command", ["compare", "report"])
@pytest.mark.parametrize("what", ["noise", "split"])
def test_trials_of_different_data_are_refused_with_a_way_out(
    reporter: Reporter, run: Command, what: str, command: str
) -> None:
    launch(reporter)
    with closing(sqlite3.connect(reporter.paths.ledger)) as database:
        query = "UPDATE trials SET facts = json_set(facts, ?, 'another') WHERE json_extract(trial, '$.loss.family') = ?"
        database.execute(query, (f"$.{what}_digest", "mse"))
        database.commit()
    said = refused(run, command)
    assert f"differ in the {what} of repeat 0: they cannot be paired" in said
    assert "launch one whose data or code has changed anew under another name" in said
    assert not reporter.paths.report.exists()


def test_test_scores_that_are_not_finite_are_told_by_every_command_and_printed_by_none(
    reporter: Reporter, run: Command
) -> None:
    def tested(todo: Todo) -> dict[str, Any]:
        if "confirm" not in todo.config.trial(0):
            return {}
        lost = todo.cell.cell.name == "mse" and todo.repeat == 1
        return {"test": {"test_accuracy": math.inf if lost else 0.5 + 0.01 * todo.repeat, "test_loss": math.nan}}

    reporter.worker.tested = tested
    launch(reporter, confirm=4)
    code, out, _ = run("compare", "small")
    assert code == 0
    said = (
        "mse on digits, clean, mlp hidden=8: 1 trial ended without a finite score, or with one beyond 1e+150: counted "
    )
    assert f"{said}as diverged, in no mean." in " ".join(out.split())
    assert "17% of its" in out
    code, out, _ = run("compare", "small", "--json")
    strict = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    assert {row["family"]: (row["n"], row["scoreless"]) for row in next(iter(strict["tasks"].values()))} == {
        "ce": (4, 0), "mse": (3, 1)
    }  # fmt: skip
    assert run("report", "small")[0] == 0
    text = (reporter.paths.report / "report.md").read_text()
    assert not re.search(r"\b(nan|inf)\b", text, re.IGNORECASE)
    out_folder = reporter.home.root / "exported"
    assert run("export", "small", "--no-weights", "--out", str(out_folder), "--format", "json")[0] == 0
    exported = json.loads((out_folder / "mse.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    assert (exported["test"]["n"], exported["test"]["diverged"]) == (3, 1)
    assert "1 repeat more diverged" in (out_folder / "mse.md").read_text()


def test_one_repeat_has_no_spread_and_says_so(reporter: Reporter, run: Command) -> None:
    launch(reporter, search__repeats=1, confirm=1)
    for phase in ("search", "confirm"):
        code, out, _ = run("compare", "small", "--phase", phase)
        assert code == 0
        assert "One repeat each: no spread can be given" in out
        assert "one repeat: no spread, no test" in out
        assert not re.search(r"± \d|\d to \d|t-test", out)


def test_a_baseline_without_a_score_is_no_lack_of_repeats(reporter: Reporter, run: Command) -> None:
    def mishap(todo: Todo, epoch: int) -> str | None:
        return DIVERGED if todo.cell.name == "ce" else None

    reporter.worker.mishap = mishap
    launch(reporter)
    code, out, _ = run("compare", "small")
    assert code == 0
    assert "no test: the baseline ce has no score" in " ".join(out.split())
    assert "one repeat" not in out


def test_an_export_without_a_checkpoint_leaves_with_1_and_names_the_way_out(reporter: Reporter, run: Command) -> None:
    launch(reporter)
    code, out, _ = run("export", "small")
    assert code == 1
    assert "its checkpoint is unusable" in out
    assert "--no-weights" in out


def test_a_full_disk_leaves_whole_files_alone(
    reporter: Reporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(reporter)
    original = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if "mse" in path.name:
            original(path, data[:10])
            raise OSError(28, "No space left on device")
        return original(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StudyError, match=r"out: cannot be written: No space left on device; choose another --out"):
        export_study(reporter.paths, tmp_path / "out", weights=False)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ce.yaml"]  # cards come last


def test_a_write_protected_folder_is_not_replaced(
    reporter: Reporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(reporter)
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(make.os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(StudyError, match=r"out: is write-protected; choose another --out"):
        write_report(reporter.home, reporter.paths, tmp_path / "out")
