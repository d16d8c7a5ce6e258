"""Which parts a report has: those that the study has data for, and what they say of trials that came to nothing."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from study.errors import StudyError
from study.planning.smoke import MEANINGLESS
from study.records.ledger import Ledger
from study.records.states import DIVERGED
from tests.study.report.conftest import (
    CLEAN,
    Command,
    Reporter,
    rows_of,
    section_of,
    tables,
    titles,
    words_of,
)

EVERYWHERE = [
    "The answer", "Comparison of families", "Budget of the search", "Against the noise rate",
    "Against each hyperparameter", "Learning curves", "Memorisation of wrong labels", "The selection gap",
    "Expected best of n configs", "Calibration", "What was asked", "What ran",
]  # fmt: skip


def test_each_part_is_there_where_the_study_has_its_data(reporter: Reporter) -> None:
    reporter.launch()
    assert titles(reporter.document()) == EVERYWHERE


def test_parts_without_data_are_left_out(reporter: Reporter) -> None:
    reporter.launch(families=["ce", "mse"], noise__rate=0.0, training__epochs=1)
    left_out = {
        "Against the noise rate", "Against each hyperparameter", "Learning curves", "Memorisation of wrong labels",
        "Expected best of n configs",
    }  # fmt: skip
    assert titles(reporter.document()) == [title for title in EVERYWHERE if title not in left_out]


@pytest.mark.parametrize("augment", [[], ["mirror"]])
def test_memorisation_is_said_to_be_of_augmented_batches_where_they_are(reporter: Reporter, augment: list[str]) -> None:
    reporter.launch(training__augment=augment)
    section = section_of(reporter.document(), "Memorisation of wrong labels")
    (caption,) = (block.caption for block in section.blocks if hasattr(block, "caption"))
    assert ("Measured on augmented training batches" in caption) == bool(augment)
    assert ("Measured on training batches" in caption) != bool(augment)


def test_a_smoke_run_says_that_its_description_is_that_of_the_whole_study(reporter: Reporter) -> None:
    reporter.launch(noise__rate=0.0, description=f"{MEANINGLESS} CE at three rates.")
    assert reporter.gather().description == "The study that this is a small version of: CE at three rates."


def test_a_confirmed_trial_without_a_finite_score_is_listed_as_diverged_and_in_no_number(reporter: Reporter) -> None:
    reporter.launch(noise__rate=0.0, confirm=5)
    with closing(sqlite3.connect(reporter.paths.ledger)) as database:
        database.execute(
            "UPDATE trials SET facts = replace(facts, json_extract(facts, '$.test.test_accuracy'), 'NaN') "
            "WHERE repeat = 1 AND json_extract(trial, '$.loss.family') = 'mse' "
            "AND json_extract(trial, '$.confirm.protocol') IS NOT NULL"
        )
        database.commit()
    document = reporter.document()
    found = {table.name: table for table in document.tables}
    (lost,) = found["failures"].rows
    assert (lost[0], lost[4]) == ("mse", "diverged")
    assert lost[6] == "test_accuracy is not a finite number where the trial is judged"
    assert rows_of(found["tests-digits-clean-mlp-hidden-8"])["mse"]["n"] == "4"
    assert rows_of(found["cost"])["mse"]["diverged"] == "1"
    assert rows_of(found["states"])["confirm"]["diverged"] == "1"
    assert not any("nan" in str(entry).lower() for table in document.tables for row in table.rows for entry in row)


def test_failed_and_diverged_trials_are_listed_with_their_reasons_and_the_rest_counted(reporter: Reporter) -> None:
    reporter.worker.mishap = lambda todo, epoch: DIVERGED if todo.config.number > 0 else None
    grid = {"grid": [0.1 + i / 100 for i in range(60)]}
    reporter.launch(families=["ce", {"family": "tce", "space": {"alpha": grid}}], noise__rate=0.0, search__repeats=2)
    section = section_of(reporter.document(), "Failed and diverged trials")
    assert words_of(section).startswith("n = 59.")
    assert "9 more are not listed" in words_of(section)
    table = next(block for block in section.blocks if hasattr(block, "rows"))
    assert len(table.rows) == 50
    assert rows_of(tables(reporter)["cost"])["tce"]["diverged"] == "59"


def test_a_family_without_a_completed_trial_is_shown_without_a_score(reporter: Reporter) -> None:
    reporter.worker.mishap = lambda todo, epoch: DIVERGED if todo.cell.name == "mse" else None
    reporter.launch(noise__rate=0.0)
    document = reporter.document()
    assert rows_of({table.name: table for table in document.tables}["scores"])["mse"][CLEAN] == "–"
    assert "Failed and diverged trials" in titles(document)


def test_the_budget_of_the_search_is_said_with_a_line_for_each_family_and_task(reporter: Reporter) -> None:
    grid = {"family": "tce", "space": {"alpha": {"grid": [0.5, 1.0, 1.5]}}}
    reporter.launch(families=["ce", grid], search__repeats=2)
    document = reporter.document()
    words = words_of(section_of(document, "Budget of the search"))
    assert "families had 1 (ce) and 3 (tce) configs on each task; the comparison is not at equal budget" in words
    (table,) = [table for table in document.tables if table.name == "budget"]
    assert table.columns == ("task", "family", "configs", "epochs of screening", "epochs", "core-seconds")
    assert [row[1:] for row in table.rows] == [("ce", "1", "9", "18", "9"), ("tce", "3", "27", "54", "27")] * 2


def test_compare_says_the_budget_in_words_and_gives_its_numbers(reporter: Reporter, run: Command) -> None:
    reporter.launch(families=["ce", "mse"], search__repeats=2, noise__rate=0.0)
    code, said, _ = run("compare", "small")
    assert code == 0
    assert "Budget of the search: The study's own grids: each family had 1 config on each task." in said
    (budget,) = json.loads(run("compare", "small", "--json")[1])["budgets"]
    assert (budget["study"], budget["kind"], budget["equal"]) == ("small", "grid", True)
    assert [(cost["family"], cost["configs"], cost["epochs"]) for cost in budget["costs"]] == [
        ("ce", 1, 18), ("mse", 1, 18),
    ]  # fmt: skip


def test_a_study_whose_trials_all_diverged_is_refused_in_a_line(reporter: Reporter) -> None:
    reporter.worker.mishap = lambda todo, epoch: DIVERGED
    reporter.launch(noise__rate=0.0)
    with pytest.raises(StudyError, match=r"no completed trial to report \(6 diverged\); see 'study status small'"):
        reporter.gather()


def test_an_unfinished_search_is_said_first_and_nobody_is_told_to_confirm_it(reporter: Reporter, run: Command) -> None:
    reporter.launch(noise__rate=0.0, dies_after=20)
    with reporter.ledger() as ledger:
        states = Counter(trial.state for trial in ledger.trials().values())
    missing, known = states.total() - states["completed"], states.total()
    assert 0 < missing < known
    sentence = f"The search of 'small' is unfinished: {missing} of {known} trials are not done ("
    answer = words_of(reporter.document().sections[0])
    assert answer.startswith(sentence)
    assert "Launch it again to go on." in answer
    assert "once the search is finished" in answer
    assert run("report", "small")[0] == 0
    assert sentence in reporter.paths.report.joinpath("report.md").read_text()
    _, said, _ = run("compare", "small")
    assert said.startswith(sentence)
    assert f"Go on with: study launch {reporter.paths.study_file}" in said
    assert "confirm" not in said
    found = json.loads(run("compare", "small", "--json")[1])
    assert found["notes"][0].startswith(sentence)
    assert [(each["phase"], each["missing"], each["trials"]) for each in found["unfinished"]] == [
        ("search", missing, known)
    ]


def test_a_finished_search_is_not_said_to_be_unfinished(reporter: Reporter, run: Command) -> None:
    reporter.launch(noise__rate=0.0, search__repeats=2)
    assert "unfinished" not in words_of(reporter.document().sections[0])
    said = run("compare", "small")[1]
    assert "unfinished" not in said
    assert "confirm small" in said


def test_a_study_of_which_nothing_ran_is_refused_in_a_line(reporter: Reporter) -> None:
    reporter.paths.root.mkdir(parents=True)
    with Ledger(reporter.paths.ledger, write=True):
        pass
    with pytest.raises(StudyError, match=r"no completed trial to report \(none ran\)"):
        reporter.gather()


def test_trials_of_different_masks_are_refused_in_a_line(reporter: Reporter) -> None:
    reporter.launch()
    with closing(sqlite3.connect(reporter.paths.ledger)) as database:
        database.execute(
            "UPDATE trials SET facts = json_set(facts, '$.noise_digest', 'another') "
            "WHERE json_extract(trial, '$.loss.family') = 'tce'"
        )
        database.commit()
    with pytest.raises(StudyError, match="differ in the noise of repeat 0: they cannot be paired"):
        reporter.gather()
