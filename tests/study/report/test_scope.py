"""Trials beyond the repeats that are asked for now: kept in the ledger, and in no part of a report."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from study.api import Study
from study.records.states import DIVERGED
from study.report.parts.ran import section as what_ran
from study.report.parts.runs import runs_csv
from study.results.remarks import remarks_of
from study.results.selection import out_of_scope
from study.tracking.links import RunLinks
from tests.study.conftest import Todo
from tests.study.report.conftest import Command, Reporter, rows_of, titles, words_of

SMALL: dict[str, Any] = {"families": ["ce", "mse"], "noise__rate": 0.0}


def fewer_confirmed(reporter: Reporter) -> None:
    reporter.launch(**SMALL, search__repeats=2, confirm=4)
    reporter.launch(**SMALL, search__repeats=2, confirm=3)


def fewer_searched(reporter: Reporter) -> None:
    reporter.launch(**SMALL, search__repeats=4)
    reporter.launch(**SMALL, search__repeats=3)


@pytest.fixture(params=[fewer_confirmed, fewer_searched])
def fewer(request: pytest.FixtureRequest, reporter: Reporter) -> Callable[[], None]:
    """Launches with one repeat more than is asked for then; in that one `mse` diverged."""

    def last_is_lost(todo: Todo, epoch: int) -> str | None:
        return DIVERGED if todo.repeat == 3 and todo.config.trial(3)["loss"]["family"] == "mse" else None

    reporter.worker.mishap = last_is_lost
    return lambda: request.param(reporter)


def test_every_part_of_a_report_counts_the_same_trials(reporter: Reporter, fewer: Callable[[], None]) -> None:
    fewer()
    document, material = reporter.document(), reporter.gather()
    tables = {table.name: table for table in document.tables}
    asked_for = sum(int(row["trials"]) for row in rows_of(tables["states"]).values())
    assert f"Trained on cpu ({asked_for} trials)" in words_of(what_ran(material))
    assert "2 trials that ran are out of the study file's scope now" in words_of(what_ran(material))
    assert "Failed and diverged trials" not in titles(document)
    links = RunLinks("", "", False, "1", "small", {key: key for key in Study(reporter.paths).trials().index})
    listed = runs_csv(replace(material, links=links))
    assert listed is not None
    assert len(list(csv.DictReader(io.StringIO(listed)))) == asked_for


def test_from_python_status_and_remarks_know_them_by_the_same_rule(
    reporter: Reporter, fewer: Callable[[], None], run: Command
) -> None:
    fewer()
    frame = Study(reporter.paths).trials()
    outside = frame[~frame.in_scope]
    assert sorted(zip(outside.family, outside.repeat, strict=True)) == [("ce", 3), ("mse", 3)]
    code, said, _ = run("status", "small", "--json")
    assert (code, '"failures": []' in said) == (0, True)
    with reporter.ledger() as ledger:
        assert out_of_scope(ledger) == len(outside)
        assert ledger.trials_in_scope() == frozenset(frame[frame.in_scope].index)


def test_what_a_trial_beyond_them_warned_of_is_not_told(reporter: Reporter) -> None:
    original = reporter.worker.step

    def step(todo: Todo, *given: Any, **named: Any) -> dict[str, Any] | None:
        result = original(todo, *given, **named)
        return result and result | {"warnings": [f"epoch 1: repeat {'abc'[todo.repeat]} is odd"]}

    reporter.worker.step = step
    reporter.launch(families=["ce"], noise__rate=0.0, search__repeats=3)
    reporter.launch(families=["ce"], noise__rate=0.0, search__repeats=2)
    with reporter.ledger() as ledger:
        assert [remark.sentence for remark in remarks_of(ledger)] == ["repeat a is odd", "repeat b is odd"]
