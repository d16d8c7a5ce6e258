"""What a launch prints of its trials: tables where there are scores, a sentence where there are none."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from study.cli.launch import _print_outcome
from study.cli.list_studies import list_studies
from study.cli.output import comparison_notes, comparison_tables, report_error
from study.export import Exported
from study.records.ledger import Ledger
from study.records.paths import StudyPaths
from study.results.numbers import counted
from study.results.selection import cell_results, comparison
from study.running.launch import Outcome
from tests.study.conftest import Driver, SpecMaker


@pytest.mark.parametrize(("mishap", "shown"), [("interrupted", False), ("diverged", False), (None, True)])
def test_a_launch_that_completed_nothing_says_so_and_prints_no_table(
    mishap: str | None, shown: bool, driver: Driver, make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec()
    driver.worker.mishap = lambda todo, epoch: mishap
    driver.launch(spec)
    with Ledger(driver.ledger_path) as ledger:
        rows: list[dict[str, Any]] = comparison(cell_results(ledger))
    outcome = Outcome(StudyPaths(driver.ledger_path.parent), {}, mishap == "interrupted", None, None, None)
    _print_outcome(spec, outcome, rows, 0, Exported([], []))
    said = capsys.readouterr().out
    assert bool(comparison_tables(rows, "val_accuracy_noisy")) == shown
    assert ("val_accuracy_noisy of each family's best config" in said) == shown
    assert ("No trial is completed: there are no scores to show." in said) != shown
    assert len(comparison_notes(rows)) == (2 if shown else 1)


def test_the_list_of_studies_says_which_are_confirmed_and_how_big_they_are(
    cache: Path, tmp_path: Path, make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("STUDY_HOME", str(tmp_path))
    for name in ("searched", "confirmed"):
        (tmp_path / name).mkdir()
        driver = Driver(tmp_path / name / "ledger.db", cache)
        driver.launch(make_spec(name=name))
    driver.confirm(make_spec(name="confirmed"))
    (tmp_path / "searched" / "weights").write_bytes(bytes(5_000_000))
    list_studies(as_json=True)
    confirmed, searched = json.loads(capsys.readouterr().out)
    assert [confirmed["confirmed"], searched["confirmed"]] == [True, False]
    assert 5_000_000 < searched["bytes"] < 8_000_000
    assert confirmed["bytes"] < 4_000_000
    assert confirmed["last_at"].endswith("+00:00")
    assert datetime.fromisoformat(confirmed["last_at"]).timestamp() == int(confirmed["last"])
    list_studies()
    assert "last epoch" in capsys.readouterr().out


def test_spreads_are_not_offered_as_a_test_of_paired_repeats(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec())
    with Ledger(driver.ledger_path) as ledger:
        (first, *_) = comparison_notes(comparison(cell_results(ledger)))
    assert "within the sds" not in first
    assert "'study compare' does" in first


def test_further_mistakes_have_a_line_each_and_a_list_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    report_error("a.yaml:1: no", as_json=False, further=["a.yaml:2: nor this", "a.yaml:7: nor that"])
    assert capsys.readouterr().err == "error: a.yaml:1: no\n  a.yaml:2: nor this\n  a.yaml:7: nor that\n"
    report_error("a.yaml:1: no", as_json=True, further=["a.yaml:2: nor this"])
    assert json.loads(capsys.readouterr().out) == {"error": "a.yaml:1: no", "further": ["a.yaml:2: nor this"]}
    report_error("a.yaml:1: no", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"error": "a.yaml:1: no"}


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 studies"), (1, "1 study"), (2, "2 studies"), (1200, "1,200 studies")]
)
def test_one_of_a_thing_is_no_plural(count: int, said: str) -> None:
    assert counted(count, "study", "studies") == said
