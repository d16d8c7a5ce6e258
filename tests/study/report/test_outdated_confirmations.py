"""Confirmations that the search has outrun: left out of every table, and named with what to do."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from study.api import Study
from study.errors import StudyError
from study.records.ledger import CONFIRM, Ledger
from study.results.compare import Comparison, compare
from study.results.confirmed import confirmations, confirmed_config
from study.results.selection import cell_results
from study.running.confirm import ConfirmAgenda
from tests.study.conftest import Todo
from tests.study.report.conftest import Command, Reporter, rows_of, section_of

TASK = "digits, clean, mlp hidden=8"
OUTRUN = f"tce on {TASK}: confirmed before the search came to choose another config or training; "
AGAIN = "run 'study confirm small' again"


def tce(*alphas: float) -> dict[str, Any]:
    return {"family": "tce", "space": {"alpha": {"grid": list(alphas)}}}


def later_is_better(todo: Todo, epoch: int) -> float:
    return 0.6 + 0.05 * todo.config.number + 0.001 * epoch + 0.01 * todo.repeat


@pytest.fixture
def launch(reporter: Reporter) -> Callable[..., None]:
    """A study of ce and tce on a clean task, of which the last config of a family is best."""
    reporter.worker.accuracy = later_is_better

    def run(*families: Any, confirm: int = 0, **changes: Any) -> None:
        reporter.launch(families=list(families), noise__rate=0.0, search__repeats=3, confirm=confirm, **changes)

    return run


@pytest.fixture
def run(run: Command) -> Command:
    """The same, with standard output in one line."""

    def joined(*words: str) -> tuple[int, str, str]:
        code, out, err = run(*words)
        return code, " ".join(out.split()), err

    return joined


def compared(reporter: Reporter, phase: str | None = None) -> Comparison:
    with reporter.ledger() as ledger:
        return compare([("small", ledger)], phase=phase)


def families(comparison: Comparison) -> list[str]:
    return [row.entry.family for row in comparison.tasks[TASK]]


def test_nothing_is_said_of_a_study_that_was_confirmed_last_or_never(
    reporter: Reporter, launch: Callable[..., None]
) -> None:
    launch("ce", tce(0.5, 1.0))
    with reporter.ledger() as ledger:
        assert confirmations(ledger, "small").left_out == ()
    launch("ce", tce(0.5, 1.0), confirm=3)
    found = compared(reporter)
    assert (found.phase, families(found), found.notes, found.unconfirmed) == ("confirm", ["ce", "tce"], (), ())


def test_a_config_that_the_search_no_longer_chooses_is_left_out_and_named(
    reporter: Reporter, launch: Callable[..., None]
) -> None:
    launch("ce", tce(0.5, 1.0), confirm=3)
    launch("ce", tce(0.5, 1.0, 1.5))
    found = compared(reporter)
    assert (found.phase, families(found)) == ("confirm", ["ce"])
    assert found.notes == (f"{OUTRUN}{AGAIN}.",)
    assert found.as_json()["notes"] == list(found.notes)
    launch("ce", tce(0.5, 1.0, 1.5), confirm=3)
    again = compared(reporter)
    assert (families(again), again.notes) == (["ce", "tce"], ())


def test_the_same_choice_after_more_configs_still_counts(reporter: Reporter, launch: Callable[..., None]) -> None:
    launch("ce", tce(0.5, 1.0), confirm=3)
    reporter.worker.accuracy = lambda todo, epoch: 0.3 + 0.01 * todo.repeat
    launch("ce", tce(1.0, 1.5))  # what was config 1 is config 0 now, and best
    found = compared(reporter)
    assert (families(found), found.notes) == (["ce", "tce"], ())
    assert found.tasks[TASK][1].entry.params == {"alpha": 1.0}


def test_a_family_that_was_taken_out_is_neither_ranked_nor_tested(
    reporter: Reporter, launch: Callable[..., None], run: Command
) -> None:
    launch("ce", "mse", tce(0.5), confirm=3)
    before = compared(reporter)
    launch("ce", "mse")
    found = compared(reporter)
    assert (families(before), before.num_tests) == (["ce", "mse", "tce"], 2)
    assert (families(found), found.num_tests) == (["ce", "mse"], 1)
    assert json.loads(run("list", "--json")[1])[0]["confirmed"] is True  # all that it has
    assert found.notes == (
        f"tce on {TASK}: confirmed, but the study as last launched has it no more; launch it with it again to have its "
        "scores.",
    )


def test_a_family_that_came_later_is_named_as_not_confirmed(reporter: Reporter, launch: Callable[..., None]) -> None:
    launch("ce", confirm=3)
    launch("ce", "mse")
    assert compared(reporter).notes == (f"mse on {TASK}: not confirmed; {AGAIN}.",)


def test_longer_training_makes_every_confirmation_outdated_and_the_search_is_compared(
    reporter: Reporter, launch: Callable[..., None], run: Command
) -> None:
    launch("ce", tce(0.5, 1.0), confirm=3)
    launch("ce", tce(0.5, 1.0), training__epochs=12)
    found = compared(reporter)
    assert (found.phase, found.unconfirmed, len(found.notes)) == ("search", ("small",), 3)
    assert found.notes[2] == ("Validation scores of the search are compared, since no test score of 'small' counts.")
    with pytest.raises(StudyError, match=r"'small' has no confirmation that counts: ce on .*; --phase search compares"):
        compared(reporter, "confirm")
    code, out, _ = run("compare", "small")
    assert code == 0
    assert "since no test score of 'small' counts" in out
    assert compared(reporter, "search").notes == ()


def test_the_report_mixes_no_outdated_scores_with_the_searches(reporter: Reporter, launch: Callable[..., None]) -> None:
    launch("ce", tce(0.5, 1.0), confirm=3)
    launch("ce", tce(0.5, 1.0, 1.5))
    document = reporter.document()
    answer = section_of(document, "The answer")
    assert answer.blocks[-1].texts == (f"{OUTRUN}{AGAIN}.",)
    tables = {table.name: table for table in document.tables}
    gap = next(table for name, table in tables.items() if name.startswith("gap-"))
    confirmed = next(column for column in gap.columns if column.startswith("test, confirmed"))
    assert {family: row[confirmed] == "–" for family, row in rows_of(gap).items()} == {"ce": False, "tce": True}
    states = rows_of(tables["states"])
    assert states["confirm"]["trials"] == "3"


def test_status_and_compare_name_them_and_show_only_what_counts(
    reporter: Reporter, launch: Callable[..., None], run: Command
) -> None:
    launch("ce", tce(0.5, 1.0), confirm=3)
    before = json.loads(run("status", "small", "--json")[1])
    assert json.loads(run("list", "--json")[1])[0]["confirmed"] is True
    launch("ce", tce(0.5, 1.0, 1.5))
    facts = json.loads(run("status", "small", "--json")[1])
    assert [row["family"] for row in facts["confirmed"]] == ["ce"]
    assert facts["confirmations_left_out"] == [f"{OUTRUN}{AGAIN}"]
    assert before["confirmations_left_out"] == []
    assert json.loads(run("list", "--json")[1])[0]["confirmed"] is False
    assert facts["states"]["completed"] == before["states"]["completed"] + 3  # none is forgotten
    assert f"left out {OUTRUN}{AGAIN}" in run("status", "small")[1]
    assert f"{OUTRUN}{AGAIN}." in run("compare", "small")[1]


def test_from_python_configs_and_best_leave_them_out_too(reporter: Reporter, launch: Callable[..., None]) -> None:
    launch("ce", tce(0.5, 1.0), confirm=3)
    launch("ce", tce(0.5, 1.0, 1.5))
    study = Study.load("small", reporter.home.root)
    assert set(study.configs(CONFIRM).family) == {"ce"}
    assert study.best().set_index("family").test_n.to_dict() == {"ce": 3, "tce": 0}


def test_data_that_lay_elsewhere_when_it_was_confirmed_outdate_nothing(
    reporter: Reporter, launch: Callable[..., None]
) -> None:
    launch("ce", tce(0.5, 1.0), confirm=3)
    with closing(sqlite3.connect(reporter.paths.ledger)) as database:
        query = (
            "UPDATE trials SET trial = json_set(trial, '$.dataset.root', 'elsewhere') "
            "WHERE json_extract(trial, '$.confirm.protocol') IS NOT NULL"
        )
        assert database.execute(query).rowcount == 6
        database.commit()
    assert (families(compared(reporter)), compared(reporter).notes) == (["ce", "tce"], ())


def test_an_export_gives_a_config_its_own_test_scores_by_the_same_rule(
    reporter: Reporter, launch: Callable[..., None]
) -> None:
    launch("ce", tce(0.5, 1.0), confirm=3)
    launch("ce", tce(0.5, 1.0, 1.5))
    with reporter.ledger() as ledger:
        confirmed = cell_results(ledger, phase=CONFIRM)
        cell = cell_results(ledger)[1]
        has = {config.params["alpha"]: confirmed_config(ledger, confirmed, cell, config) for config in cell.configs}
    assert {alpha: found is not None for alpha, found in has.items()} == {0.5: False, 1.0: True, 1.5: False}


def test_a_confirmation_that_has_only_begun_is_shown_without_a_score(
    reporter: Reporter, launch: Callable[..., None]
) -> None:
    from study.planning.plan import make_plan
    from study.running.confirm import make_confirm_plan

    launch("ce", tce(0.5, 1.0))
    spec = reporter.make_spec(families=["ce", tce(0.5, 1.0)], noise__rate=0.0, search__repeats=3)
    with Ledger(reporter.paths.ledger, write=True) as ledger:
        ConfirmAgenda(make_confirm_plan(make_plan(spec, reporter.cache), ledger, reporter.cache), ledger)
        found = confirmations(ledger, "small")
    assert ([cell.best for cell in found.cells], found.left_out) == ([None, None], ())


@pytest.mark.parametrize("scale", [1e300, 1.7e308])
def test_scores_too_large_to_square_give_every_command_an_answer(
    scale: float, reporter: Reporter, run: Command
) -> None:
    reporter.worker.accuracy = lambda todo, epoch: (
        scale * (1 - 0.01 * todo.repeat)
        if todo.config.trial(0)["loss"]["family"] == "mse"
        else 0.5 + 0.01 * todo.repeat
    )
    reporter.launch(families=["ce", "mse"], noise__rate=0.0, search__repeats=3, confirm=0)
    for command in ("compare", "status", "report"):
        code, out, err = run(command, "small")
        assert (code, err) == (0, ""), command
        assert "0" * 100 not in out
