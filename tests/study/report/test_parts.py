"""What a report says: the comparison's own numbers, parts only where there is data, and no more than is known."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
import statistics
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from study.errors import StudyError
from study.planning.smoke import MEANINGLESS
from study.records.ledger import Ledger
from study.records.states import DIVERGED, STOPPED_EARLY
from study.report.document import Bold
from study.report.look import FAINT, INK, looks_of, panels, spare_outliers
from study.report.parts import calibration, classes, configs, learned
from study.report.parts.importance import importances
from study.report.parts.noise import area
from study.report.parts.tuning import expected_best
from study.report.points import Point
from study.results.compare import compare
from study.results.limits import limits_of
from study.results.statistics import pairwise_tests
from tests.study.conftest import ASHA, Todo
from tests.study.report.conftest import Command, Reporter, by_family, rows_of, section_of, titles, words_of

CLEAN, NOISY = "digits, clean, mlp hidden=8", "digits, uniform 0.4, mlp hidden=8"
EVERYWHERE = [
    "The answer", "Comparison of families", "Budget of the search", "Against the noise rate",
    "Against each hyperparameter", "Learning curves", "Memorisation of wrong labels", "The selection gap",
    "Expected best of n configs", "Calibration", "What was asked", "What ran",
]  # fmt: skip


def tables(reporter: Reporter, baseline: str | None = None) -> dict[str, Any]:
    return {table.name: table for table in reporter.document(baseline).tables}


@pytest.mark.parametrize("confirm", [0, 4])
def test_scores_differences_and_p_values_are_those_of_compare(reporter: Reporter, confirm: int) -> None:
    reporter.launch(confirm=confirm)
    with reporter.ledger() as ledger:
        compared = compare([("small", ledger)])
    found = tables(reporter)
    for task, rows in compared.tasks.items():
        tests = rows_of(found[f"tests-{'digits-clean' if task == CLEAN else 'digits-uniform-0.4'}-mlp-hidden-8"])
        for row in rows:
            shown = tests[row.entry.family]
            score = f"{statistics.fmean(row.entry.scores):.4f} ± {statistics.stdev(row.entry.scores):.4f}"
            assert rows_of(found["scores"])[row.entry.family][task] == score
            assert row.interval is not None
            assert shown["n"] == str(len(row.entry.scores)) == str(confirm or 5)
            assert shown["95 % interval"] == f"{row.interval[0]:.4f} to {row.interval[1]:.4f}"
            if row.test is not None:
                assert shown["difference (95 % interval)"].startswith(f"{row.test.mean:+.4f} (".replace("-", "−"))
            assert shown["verdict"] in row.verdict(compared.more_is_better)


def test_bold_is_the_best_alone_where_compare_can_tell_it(reporter: Reporter) -> None:
    reporter.launch()
    with reporter.ledger() as ledger:
        against_best = compare([("small", ledger)], baseline="tce")
    verdicts = {row.entry.family: row.verdict(True) for row in against_best.tasks[CLEAN]}
    assert verdicts["ce"] == verdicts["mse"] == "worse than tce"
    assert [type(row[1]) for row in tables(reporter)["scores"].rows] == [str, str, Bold]
    said = words_of(reporter.document().sections[0])
    assert f"On {CLEAN}: tce has the highest validation accuracy, " in said
    assert "distinguishable from every other family" in said


def test_what_compare_cannot_tell_from_the_best_has_a_dagger_and_a_difference_that_it_could(
    reporter: Reporter,
) -> None:
    reporter.launch(families=["ce", "mse"], noise__rate=0.0)
    found = tables(reporter)
    (_, ce), (_, mse) = found["scores"].rows
    assert isinstance(mse, Bold)
    assert isinstance(ce, str)
    assert ce.endswith(" †")
    assert "Holm's correction for all 1 pair of families" in found["scores"].note
    with reporter.ledger() as ledger:
        (row, _) = compare([("small", ledger)], baseline="mse").tasks[CLEAN]
    assert row.test is not None
    assert rows_of(found["told"])["ce"][CLEAN] == f"{abs(row.test.mean):.4f} ({row.detectable:.4f})"
    said = words_of(reporter.document().sections[0])
    assert f"Not distinguishable from it: ce ({abs(row.test.mean):.4f} behind)." in said
    assert "it does not mean that the two are equal" in said


def test_a_family_far_behind_whose_scores_vary_is_never_bold(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsteady(todo: Todo, epoch: int) -> float:
        wild = todo.config.trial(0)["loss"]["family"] == "mse"
        return by_family(todo, epoch) - (0.3 * (todo.repeat % 2) if wild else 0.0)

    reporter.worker.accuracy = unsteady
    reporter.launch(noise__rate=0.0)
    found = tables(reporter)
    assert [type(row[1]) for row in found["scores"].rows] == [str, str, Bold]
    assert str(found["scores"].rows[1][1]).endswith(" †")
    assert not str(found["scores"].rows[0][1]).endswith(" †")


def test_families_of_the_same_mean_tie_whatever_their_order(reporter: Reporter) -> None:
    reporter.worker.accuracy = lambda todo, epoch: 0.7 + 0.01 * todo.repeat + 0.001 * epoch
    reporter.launch(noise__rate=0.0)
    document = reporter.document()
    said = words_of(document.sections[0])
    assert f"On {CLEAN}: ce, mse and tce tie for the highest validation accuracy" in said
    assert "whose differences are not all equal" in said
    found = {table.name: table for table in document.tables}
    assert rows_of(found["tests-digits-clean-mlp-hidden-8"])["mse"]["verdict"] == "no test: all differences equal"
    assert "told" not in found


def test_ties_read_alike_where_the_fourth_digit_is_a_half(reporter: Reporter) -> None:
    def halves(todo: Todo, epoch: int) -> float:
        return 0.21875 + (1e-8 if todo.cell.name == "mse" else -1e-8) + 0.05 * (todo.repeat - 2)

    reporter.worker.accuracy = halves
    reporter.launch(families=["ce", "mse"], noise__rate=0.0)
    document = reporter.document()
    assert "mse and ce tie for the highest validation accuracy, 0.2188 (n = 5)" in words_of(document.sections[0])
    scores = rows_of({table.name: table for table in document.tables}["scores"])
    assert {row[CLEAN] for row in scores.values()} == {"0.2188 ± 0.0791"}


def test_the_answer_tells_the_question_of_the_baseline_from_that_of_the_best(reporter: Reporter) -> None:
    reporter.launch(noise__rate=0.0)
    said = words_of(reporter.document().sections[0])
    assert "Against the baseline, ce: better: tce; not distinguishable: mse." in said
    assert "corrected for 2 tests" in said
    assert "what is said against it is corrected for all 3 pairs of families" in said


def test_what_is_said_against_the_best_is_corrected_for_all_pairs(reporter: Reporter) -> None:
    reporter.launch()
    material = reporter.gather()
    scores = [
        {row.entry.family: dict(enumerate(row.entry.scores)) for row in rows}
        for rows in material.comparison.tasks.values()
    ]
    for (task, leaders), tests in zip(material.leaders.items(), pairwise_tests(scores), strict=True):
        assert leaders.num_pairs == 6
        for row in leaders.others:
            assert row.p == tests[row.entry.family, leaders.family][1]
        against_best = compare_to(reporter, leaders.family)
        assert any((row.p or 0) > against_best[task][row.entry.family] for row in leaders.others)


def compare_to(reporter: Reporter, baseline: str) -> dict[str, dict[str, float]]:
    """p against a fixed baseline, by task and family."""
    with reporter.ledger() as ledger:
        tasks = compare([("small", ledger)], baseline=baseline).tasks
    return {task: {row.entry.family: row.p for row in rows if row.p is not None} for task, rows in tasks.items()}


@pytest.mark.parametrize("lost", ["ce", "tce"])
def test_a_family_that_lost_its_score_is_named_in_the_answer(reporter: Reporter, lost: str) -> None:
    reporter.worker.mishap = lambda todo, epoch: DIVERGED if todo.cell.name == lost else None
    reporter.launch(noise__rate=0.0)
    said = words_of(reporter.document().sections[0])
    assert re.search(rf"No score: {lost} \((\d+) of \1 diverged\)\.", said)
    if lost == "ce":
        assert "Against the baseline" not in said


def test_a_winner_without_a_finite_test_score_is_named_in_the_answer(reporter: Reporter) -> None:
    reporter.launch(noise__rate=0.0, confirm=3)
    with closing(sqlite3.connect(reporter.paths.ledger)) as database:
        database.execute(
            "UPDATE trials SET state = 'diverged' WHERE json_extract(trial, '$.loss.family') = 'tce' "
            "AND json_extract(trial, '$.confirm.protocol') IS NOT NULL"
        )
        database.commit()
    said = words_of(reporter.document().sections[0])
    assert "mse has the highest test accuracy" in said
    assert "No score: tce (3 of 3 diverged)." in said


def test_two_repeats_are_told_to_be_too_few(reporter: Reporter) -> None:
    reporter.launch(search__repeats=2, noise__rate=0.0)
    document = reporter.document()
    found = {table.name: table for table in document.tables}
    shown = rows_of(found["tests-digits-clean-mlp-hidden-8"])["tce"]
    assert shown["verdict"] == "no test: fewer than 3 repeats in common with ce"
    assert (shown["p"], "d" in shown) == ("–", False)
    assert "Nothing is marked" in found["scores"].note
    assert "no other family shares 3 repeats with it" in words_of(document.sections[0])


def test_one_split_and_the_number_of_tests_are_said_under_the_scores(reporter: Reporter) -> None:
    reporter.launch()
    note = tables(reporter)["scores"].note
    assert "judged by one validation set of 250 images: that other images" in note
    assert "Holm's correction for all 6 pairs of families, since the best is picked by these very scores" in note


def test_ranks_that_decide_nothing_are_not_drawn(reporter: Reporter) -> None:
    reporter.launch()
    section = section_of(reporter.document(), "Comparison of families")
    assert "the ranks decide nothing and are not drawn" in words_of(section)
    assert "ranks" not in {getattr(block, "name", "") for block in section.blocks}


def test_ranks_that_could_decide_are_drawn(reporter: Reporter) -> None:
    reporter.launch(families=["ce", "mse"], noise__rate=[0.0, 0.1, 0.2, 0.3, 0.4, 0.5], search__repeats=3)
    section = section_of(reporter.document(), "Comparison of families")
    assert "decide nothing" not in words_of(section)
    assert "ranks" in {getattr(block, "name", "") for block in section.blocks}


@pytest.mark.parametrize("rates", [[0.0, 0.4], [0.0, 0.2, 0.4]])
def test_an_area_needs_three_rates(reporter: Reporter, rates: list[float]) -> None:
    reporter.launch(families=["ce", "mse"], noise__rate=rates, search__repeats=2)
    section = section_of(reporter.document(), "Against the noise rate")
    given = any(getattr(block, "name", "").startswith("area-") for block in section.blocks)
    assert given == (len(rates) == 3)
    assert ("No area under these curves is given" in words_of(section)) != given


def test_confirmed_scores_and_those_that_selection_saw_are_told_apart(reporter: Reporter) -> None:
    reporter.launch(noise__rate=0.0)
    searched = words_of(reporter.document().sections[0])
    assert "validation scores that selection has seen" in searched
    assert "study confirm small" in searched
    reporter.launch(noise__rate=0.0, confirm=3)
    confirmed = words_of(reporter.document().sections[0])
    assert "highest test accuracy" in confirmed
    assert "(n = 3)" in confirmed
    assert "validation scores" not in confirmed


def test_the_data_have_their_sizes_and_what_one_image_is_worth(reporter: Reporter) -> None:
    reporter.launch(noise__rate=0.0)
    searched = tables(reporter)["data"]
    assert list(rows_of(searched)[CLEAN].values())[1:4] == ["1,150", "250", "–"]
    assert searched.note.startswith("One image, of the smallest set, is 0.0040 of an accuracy in validation.")
    reporter.launch(noise__rate=0.0, confirm=2)
    confirmed = tables(reporter)["data"]
    assert list(rows_of(confirmed)[CLEAN].values())[1:4] == ["1,150", "250", "400"]
    assert "0.0040 of an accuracy in validation and 0.0025 of an accuracy in test." in confirmed.note


def test_the_baseline_is_the_one_that_was_asked_for(reporter: Reporter) -> None:
    reporter.launch(noise__rate=0.0)
    shown = rows_of(tables(reporter, "tce")["tests-digits-clean-mlp-hidden-8"])
    assert (shown["tce"]["verdict"], shown["ce"]["verdict"]) == ("baseline", "worse")
    with pytest.raises(StudyError, match="unknown family 'tcee'; did you mean 'tce'"):
        reporter.gather("tcee")


def test_a_study_of_one_repeat_gives_no_spread_and_tests_nothing(reporter: Reporter) -> None:
    reporter.launch(search__repeats=1)
    document = reporter.document()
    assert "one repeat gives no spread" in words_of(document.sections[0])
    found = {table.name: table for table in document.tables}
    assert not any(name.startswith("tests-") for name in found)
    assert "no spread can be given" in found["scores"].note
    entries = [entry for table in document.tables for row in table.rows for entry in row]
    assert not any("±" in (entry.text if isinstance(entry, Bold) else entry) for entry in entries)
    assert not any(isinstance(entry, Bold) for entry in entries)


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


def test_a_clean_task_has_one_validation_column_and_a_noisy_one_two(reporter: Reporter) -> None:
    reporter.launch()
    found = tables(reporter)
    assert found["gap-digits-clean-mlp-hidden-8"].columns[1] == "true labels (n = 5)"
    columns = found["gap-digits-uniform-0.4-mlp-hidden-8"].columns
    assert columns[1:3] == ("noisy labels (n = 5)", "true labels (n = 5)")


def test_the_selection_gap_sets_the_chosen_epoch_beside_the_last_and_the_best(reporter: Reporter) -> None:
    reporter.worker.accuracy = lambda todo, epoch: 0.5 + 0.1 * (epoch == 4) + 0.01 * todo.repeat
    reporter.launch(families=["ce"], noise__rate=0.4, search__repeats=2, confirm=2)
    row = rows_of(tables(reporter)["gap-digits-uniform-0.4-mlp-hidden-8"])["ce"]
    assert list(row.values())[1:] == [
        "0.6050 ± 0.0071", "0.6150 ± 0.0071", "0.5150 ± 0.0071", "0.6150 ± 0.0071", "0.7105 ± 0.0148"
    ]  # fmt: skip


def test_a_clean_tasks_gap_repeats_no_column(reporter: Reporter) -> None:
    reporter.launch()
    found = tables(reporter)
    clean, noisy = (found[f"gap-digits-{noise}-mlp-hidden-8"].columns for noise in ("clean", "uniform-0.4"))
    assert clean == ("family", "true labels (n = 5)", "true labels, last epoch (n = 5)")
    assert "best for true labels (n = 5)" in noisy


def test_labels_are_named_where_they_are_noisy_alone(reporter: Reporter) -> None:
    reporter.launch()
    pictures = {picture.name: picture for picture in reporter.document().pictures}
    clean, noisy = (pictures[f"hyperparameters-digits-{noise}-mlp-hidden-8"] for noise in ("clean", "uniform-0.4"))
    assert clean.figure.get_supylabel() == "validation accuracy"
    assert noisy.figure.get_supylabel().split() == ["validation", "accuracy", "(noisy", "labels)"]  # on two lines
    assert pictures["tuning-all"].figure.get_supylabel().split() == ["expected", "best", "validation", "accuracy"]
    shown = [axes.get_title(loc="left") for axes in pictures["curves-digits-clean-mlp-hidden-8"].figure.axes]
    assert shown[0] == "validation accuracy"


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


STOPPING: dict[str, Any] = {
    "families": ["ce", {"family": "tce", "space": {"alpha": {"grid": [0.5, 1.0, 1.5, 2.0]}}}],
    "noise__rate": 0.0, "search__repeats": 1, "scheduler": ASHA,
}  # fmt: skip


def panels_of(document: Any) -> dict[str, Any]:
    """The hyperparameter panels of the one task, by their titles."""
    blocks = section_of(document, "Against each hyperparameter").blocks
    figure = next(block.figure for block in blocks if hasattr(block, "figure"))
    return {axes.get_title(loc="left"): axes for axes in figure.axes}


def test_configs_that_a_scheduler_stopped_are_crosses_in_their_panel(reporter: Reporter) -> None:
    reporter.launch(**STOPPING)
    with reporter.ledger() as ledger:
        stopped = [trial.last_score for trial in ledger.trials().values() if trial.state == STOPPED_EARLY]
    assert len(stopped) == 3  # so that one value alone was trained to its end
    document = reporter.document()
    completed, crosses = panels_of(document)["tce: alpha"].lines
    assert len(completed.get_xdata()) == 1
    assert crosses.get_marker() == "x"
    assert sorted(crosses.get_ydata()) == pytest.approx(sorted(score for score in stopped if score is not None))
    section = section_of(document, "Against each hyperparameter")
    assert any("Crosses: those that a scheduler stopped" in getattr(block, "caption", "") for block in section.blocks)


def test_a_family_without_a_panel_is_named_with_the_reason(reporter: Reporter) -> None:
    reporter.worker.mishap = lambda todo, epoch: DIVERGED if todo.cell.name == "tce" and todo.config.number else None
    reporter.launch(**STOPPING | {"scheduler": {"name": "none"}})
    section = section_of(reporter.document(), "Against each hyperparameter")
    (items,) = (block.texts for block in section.blocks if hasattr(block, "texts"))
    assert items == (
        f"tce on {CLEAN}: no panel of alpha, of which fewer than two values have a score; on the screening repeat, of "
        "4 configs: 1 completed, 3 diverged.",
    )


def test_what_the_oracle_says_of_stopped_configs_stands_apart(reporter: Reporter) -> None:
    reporter.launch(**STOPPING)
    with Ledger(reporter.paths.ledger, write=True) as ledger:
        trials = [t for t in ledger.trials().values() if ledger.trial(t.key)["loss"]["family"] == "tce"]
        for place, trial in enumerate(sorted(trials, key=lambda trial: trial.state)):  # the completed one first
            ledger.record_oracle(trial.key, {"epoch": trial.best_epoch, "test_accuracy": 0.5 + place / 10})
    found = tables(reporter)
    assert rows_of(found["gap-stopped-digits-clean-mlp-hidden-8"])["tce"] == {
        "family": "tce", "configs judged": "4 of 4", "of them stopped": "3",
        "test, chosen config": "0.5000", "test, oracle": "0.8000",
    }  # fmt: skip
    assert rows_of(found["gap-digits-clean-mlp-hidden-8"])["tce"]["test, these trials (n = 1)"] == "0.5000"
    with Ledger(reporter.paths.ledger, write=True) as ledger:  # as if trials had gone on since they were judged
        for trial in trials:
            ledger.record_oracle(trial.key, {"epoch": trial.best_epoch - 1, "test_accuracy": 0.5})
    assert not {"gap-stopped-digits-clean-mlp-hidden-8"} & set(tables(reporter))


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


def test_the_level_at_which_repeats_might_tell_is_named(reporter: Reporter) -> None:
    reporter.launch(noise__rate=0.0)
    found = tables(reporter)
    for name in ("tests-digits-clean-mlp-hidden-8", "told"):
        assert "at 5 % divided by the number of tests (Bonferroni), which is enough for Holm's" in found[name].note


def test_paper_numbers_stand_beside_ours_in_percent_and_errors_are_converted(reporter: Reporter) -> None:
    numbers = [
        {"family": "ce", "noise_rate": 0.0, "value": 30.0, "sd": 0.5, "quoted": True},
        {"family": "ce", "noise_rate": 0.4, "value": 70.0, "metric": "accuracy"},
        {"family": "tce", "noise_rate": 0.8, "value": 9.0},
    ]
    paper = {"source": "Someone, table 1", "metric": "error", "numbers": numbers, "note": "As printed."}
    reporter.launch(paper=paper, confirm=3)
    document = reporter.document()
    table = next(table for table in document.tables if table.name == "paper")
    ours = 100 * statistics.fmean([0.7, 0.721, 0.74])
    assert [tuple(row[3:]) for row in table.rows] == [
        ("30.00 ± 0.50 q", f"{100 - ours:.2f} ± 2.00", "3", f"−{30 - (100 - ours):.2f}"),
        ("70.00", f"{ours:.2f} ± 2.00", "3", f"+{ours - 70:.2f}"),
        ("9.00", "–", "0", "–"),
    ]
    assert "not in this study" in str(table.rows[2][1])
    assert "As printed." in words_of(section_of(document, "Paper against ours"))


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


def test_what_losses_warn_of_stands_beside_the_scores_and_in_a_table(reporter: Reporter) -> None:
    reporter.launch(noise__rate=0.0)
    with Ledger(reporter.paths.ledger, write=True) as ledger:
        (best,) = [row.entry for row in compare([("small", ledger)]).tasks[CLEAN] if row.entry.family == "mse"]
        for trial, cut in zip(best.trials[:2], ("0.2", "0.1"), strict=True):
            ledger.record_event("warning", f"epoch 1: nothing exceeds l = {cut}: the loss is cross entropy", trial.key)
    document = reporter.document()
    section = section_of(document, "Comparison of families")
    (items,) = (block.texts for block in section.blocks if hasattr(block, "texts"))
    warning = "nothing exceeds l = 0.2: the loss is cross entropy"
    assert items == (f"mse on {CLEAN}, 2 of 5 trials warn: {warning}",)
    (table,) = section_of(document, "Warnings").blocks
    assert table.rows == (("mse", CLEAN, "2", warning),)


def test_a_study_whose_trials_all_diverged_is_refused_in_a_line(reporter: Reporter) -> None:
    reporter.worker.mishap = lambda todo, epoch: DIVERGED
    reporter.launch(noise__rate=0.0)
    with pytest.raises(StudyError, match=r"no completed trial to report \(6 diverged\); see 'study status small'"):
        reporter.gather()


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


def test_confusions_stand_beside_the_similarity_and_what_was_learned_is_drawn(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter.worker.accuracy = lambda todo, epoch: 0.7 + 0.01 * todo.repeat
    monkeypatch.setattr(classes, "kept_confusion", lambda folder, which: np.eye(10, dtype=int) * 7 + 1)
    learned_arrays = {"epsilon": np.full(10, 0.2), "mixture": np.eye(10) * 0.5}
    monkeypatch.setattr(learned, "kept_arrays", lambda folder, which: learned_arrays)
    mcel = {"family": "mcel", "space": {"epsilon": 0.2, "similarity": "lda"}}
    reporter.launch(families=["ce", mcel], noise__rate=0.0, search__repeats=2)
    document = reporter.document()
    shown = {picture.name: picture for picture in document.pictures}
    assert [len(shown[f"classes-{name}-digits-clean-mlp-hidden-8"].figure.axes) for name in ("ce", "mcel")] == [1, 2]
    right = shown["classes-mcel-digits-clean-mlp-hidden-8"].figure.axes[1]
    assert right.get_title(loc="left") == "Similarity 'lda'"
    assert "340 predictions" in shown["classes-ce-digits-clean-mlp-hidden-8"].caption
    assert {"learned-ce-epsilon-digits-clean-mlp-hidden-8", "learned-ce-mixture-digits-clean-mlp-hidden-8"} <= set(
        shown
    )


def test_reliability_is_drawn_of_all_repeats_bins_against_true_labels(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    bins = np.zeros((2, 2, 3, 15))
    bins[1, 0, :, 9] = [20, 13, 10]  # of true labels, before scaling: confidence 0.65, accuracy 0.5
    bins[1, 0, :, 14] = [4, 3.9, 4]  # with two repeats too few to draw
    bins[1, 1, :, 7] = [24, 12, 14]
    monkeypatch.setattr(calibration, "kept_calibration", lambda folder, which: bins)
    reporter.launch(search__repeats=2, noise__rate=0.0)
    document = reporter.document()
    table, picture = section_of(document, "Calibration").blocks[1:]
    assert table.title == "Calibration on validation images: digits, clean, mlp hidden=8"
    assert picture.name == "reliability-digits-clean-mlp-hidden-8"
    assert "n = 2 repeats" in picture.caption
    assert [axes.get_title(loc="left") for axes in picture.figure.axes] == ["ce", "mse", "tce"]
    for axes in picture.figure.axes:
        _, before, after = (np.array(line.get_xydata()) for line in axes.lines)
        np.testing.assert_allclose(before, [[0.65, 0.5]])
        np.testing.assert_allclose(after, [[0.5, 14 / 24]])
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1)


def test_calibration_of_test_images_and_reliability_on_validation_images_are_told_apart(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "kept_calibration", lambda folder, which: np.full((2, 2, 3, 15), 12.0))
    reporter.launch(noise__rate=0.0, search__repeats=2, confirm=3)
    section = section_of(reporter.document(), "Calibration")
    assert [block.title for block in section.blocks if hasattr(block, "title")] == [
        f"Calibration on test images: {CLEAN}", f"Reliability on validation images: {CLEAN}"
    ]  # fmt: skip
    assert "different images and repeats" in words_of(section)


def test_checkpoints_without_bins_give_the_table_and_say_so(reporter: Reporter) -> None:
    reporter.launch(search__repeats=2)
    section = section_of(reporter.document(), "Calibration")
    assert "no reliability diagram" in words_of(section)
    assert not any(hasattr(block, "figure") for block in section.blocks)


def test_axes_of_shares_end_where_shares_do_though_an_interval_of_two_repeats_does_not(reporter: Reporter) -> None:
    reporter.worker.accuracy = lambda todo, epoch: 0.3 + 0.6 * todo.repeat + 0.001 * epoch
    reporter.launch(families=["ce", "mse"], search__repeats=2)
    document = reporter.document()
    shown = {picture.name: picture.figure.axes for picture in document.pictures}
    limits = [axes.get_xlim() for axes in shown["scores"]]
    limits += [axes.get_xlim() for axes in shown["noise-digits-uniform-noise-mlp-hidden-8"]]
    limits += [axes.get_ylim() for axes in shown["curves-digits-clean-mlp-hidden-8"][:1]]
    for low, high in limits:
        assert -0.05 < low < 0.3
        assert 0.9 < high < 1.05
    table = next(table for table in document.tables if table.name.startswith("tests-"))
    assert rows_of(table)["ce"]["95 % interval"] == "0.0000 to 1.0000"
    assert "end where the metric does" in table.note


def test_every_training_loss_lies_within_its_axis_though_some_are_a_hundred_times_others(reporter: Reporter) -> None:
    reporter.launch()
    pictures = {picture.name: picture.figure for picture in reporter.document().pictures}
    axes = pictures["curves-digits-clean-mlp-hidden-8"].axes[-1]
    low, high = axes.get_ylim()
    drawn = np.array([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    assert axes.get_yscale() == "log"
    assert drawn.max() / drawn.min() > 100
    assert low < drawn.min() < 1.5 * low
    assert high / 1.5 < drawn.max() < high


def test_a_family_far_below_the_others_does_not_set_their_axis_and_is_named() -> None:
    (axes,) = panels(1)[1]
    for place in range(10):
        axes.plot([1, 2, 3], [0.9, 0.91 + 0.001 * place, 0.95], label=f"family{place}")
    axes.plot([1, 2, 3], [0.1, 0.1, 0.1], label="mae")
    spare_outliers(axes)
    low, high = axes.get_ylim()
    assert 0.85 < low < 0.9
    assert 0.95 < high < 1
    assert [text.get_text() for text in axes.texts] == ["outside: mae"]


def test_a_panel_without_outliers_or_without_lines_keeps_its_axis() -> None:
    empty, (axes,) = panels(1)[1][0], panels(1)[1]
    axes.plot([1, 2, 3, 4], [0.1, 0.4, 0.7, 0.9])
    for each in (empty, axes):
        before = each.get_ylim()
        spare_outliers(each)
        assert each.get_ylim() == pytest.approx(before, abs=0.02)
        assert not each.texts


def test_a_mark_far_from_the_others_becomes_an_arrow_at_the_end_of_either_axis() -> None:
    for along, arrow in (("x", "$\\leftarrow$"), ("y", "$\\downarrow$")):
        (axes,) = panels(1)[1]
        for place in range(6):
            score = 0.1 if place == 5 else 0.9 + 0.01 * place
            axes.plot(*((score, place) if along == "x" else (place, score)), "o", color=f"C{place}")
        assert spare_outliers(axes, along)
        low, high = axes.get_xlim() if along == "x" else axes.get_ylim()
        assert 0.88 < low < 0.9
        assert 0.94 < high < 0.96
        (drawn,) = axes.lines[6:]
        assert (drawn.get_marker(), drawn.get_color()) == (arrow, "C5")
        assert [float(values[0]) for values in drawn.get_data()] == ([low, 5] if along == "x" else [5, low])


def test_near_outliers_and_those_of_few_values_stay_in_the_picture() -> None:
    for scores in ([0.90, 0.91, 0.92, 0.93, 0.94, 0.885], [0.9, 0.91, 0.92, 0.1]):
        (axes,) = panels(1)[1]
        axes.plot(range(len(scores)), scores, "o")
        assert not spare_outliers(axes)
        assert axes.get_ylim()[0] < min(scores)
        assert len(axes.lines) == 1


def test_scores_that_fall_with_the_noise_rate_are_no_outliers_and_a_family_far_below_at_its_rate_is() -> None:
    (axes,) = panels(1)[1]
    usual = {0.0: [0.99] * 3 + [0.98] * 3, 0.4: [0.98] * 3 + [0.97] * 3, 0.8: [0.7] * 3 + [0.68] * 3}
    for rate, scores in usual.items():
        axes.plot([rate] * 6, scores, "o")
    assert not spare_outliers(axes, groups=usual.values())
    axes.plot([0.0], [0.1], "o")
    assert spare_outliers(axes, groups=[[*usual[0.0], 0.1], usual[0.4], usual[0.8]])
    assert 0.6 < axes.get_ylim()[0] < 0.68


def test_a_family_that_collapsed_does_not_set_the_axes_of_scores_noise_and_hyperparameters(
    reporter: Reporter,
) -> None:
    def collapsed(todo: Todo, epoch: int) -> float:
        low = todo.config.trial(0)["loss"]["family"] == "mse"
        return 0.1 + 0.001 * todo.repeat if low else 0.9 + 0.001 * (todo.repeat + todo.config.number)

    reporter.worker.accuracy = collapsed
    lr = {"training.optimizer.lr": {"grid": [0.05, 0.1]}}
    names = ["ce", "mse", "tce", "gce", "focal", "mae", "sce"]
    reporter.launch(families=[{"family": name, "space": lr} for name in names], search__repeats=2)
    pictures = {picture.name: picture for picture in reporter.document().pictures}
    low = [axes.get_xlim()[0] for axes in pictures["scores"].figure.axes]
    assert [text.get_text() for text in pictures["scores"].figure.axes[0].texts] == ["mean 0.1005"]
    shown = ("hyperparameters-digits-clean-mlp-hidden-8", "noise-digits-uniform-noise-mlp-hidden-8")
    low.append(pictures[shown[0]].figure.axes[0].get_ylim()[0])
    low.append(pictures[shown[1]].figure.axes[0].get_xlim()[0])
    assert min(low) > 0.8
    assert all("stands for a mark beyond" in pictures[name].caption for name in ("scores", *shown))


def test_a_smoke_run_says_why_no_papers_number_stands_beside_its_own(reporter: Reporter) -> None:
    reporter.launch(description=f"{MEANINGLESS} All.", noise__rate=0.0, paper={"source": "Someone, table 1"})
    section = section_of(reporter.document(), "Paper against ours")
    assert words_of(section).startswith("Source: Someone, table 1. The paper's numbers are not set beside")
    assert len(section.blocks) == 1


def test_families_are_named_in_full_with_what_was_searched_and_what_was_fixed(reporter: Reporter) -> None:
    reporter.launch(families=["ce", {"family": "tce", "label": "mild", "space": {"alpha": 0.5}}], noise__rate=0.0)
    rows = rows_of(tables(reporter)["families"])
    assert list(rows["ce"].values())[1:] == ["cross entropy", "nothing", "–", "1"]
    assert list(rows["mild"].values())[1:] == ["tamed cross entropy (TCE)", "nothing", "alpha 0.5", "1"]


def test_ten_families_beside_the_baseline_have_a_hue_each() -> None:
    looks = looks_of([f"family{i}" for i in range(11)], "family0")
    assert len({look.color for look in looks.values()}) == 11


@pytest.mark.parametrize("scores", [(0.9, None), (0.9, 0.9)])
def test_configs_of_a_single_score_are_drawn_neither_as_best_nor_as_worst(scores: tuple[float | None, ...]) -> None:
    colours = colours_of_configs(scores)
    assert set(colours) - {FAINT} == {INK}
    assert (FAINT in colours) == (None in scores)


def test_the_best_config_is_blue_and_the_worst_orange() -> None:
    best, worst = colours_of_configs((0.9, 0.1))
    assert best == configs.COLOURS(1.0)
    assert worst == configs.COLOURS(0.0)


def test_configs_that_differ_by_one_image_have_much_the_same_colour_and_by_many_all_the_contrast() -> None:
    for sign in (1, -1):
        one, many = (
            configs._shades([0.9, 0.9 + sign * images / 287], configs.FEW / 287, more_is_better=sign == 1)
            for images in (1, 2 * configs.FEW)
        )
        assert one[1] - one[0] == pytest.approx(1 / configs.FEW)
        assert sum(one) == pytest.approx(1)
        assert many == pytest.approx([0, 1])


def colours_of_configs(scores: tuple[float | None, ...]) -> list[Any]:
    points = [Point(i, {"lr": 0.1 * (i + 1)}, score, None, False, ()) for i, score in enumerate(scores)]
    (axes,) = panels(1)[1]
    configs._draw(axes, ["lr"], points, more_is_better=True)
    return [line.get_color() for line in axes.lines[: len(scores)]]


@pytest.mark.parametrize(
    ("metric", "limits"),
    [
        ("val_accuracy_noisy", (0, 1)), ("test_ece_scaled", (0, 1)), ("train_memorised", (0, 1)),
        ("val_loss_clean", (0, np.inf)), ("train_loss", (-np.inf, np.inf)), ("val_temperature", (-np.inf, np.inf)),
    ],
)  # fmt: skip
def test_a_metric_is_drawn_no_further_than_it_can_be(metric: str, limits: tuple[float, float]) -> None:
    assert limits_of(metric) == limits


def test_families_keep_their_colour_in_every_study_of_the_same_families_and_the_baseline_is_ink() -> None:
    families = [f"family{i}" for i in range(24)]
    looks = looks_of(families, "family3")
    assert looks["family3"].color == INK
    drawn = {(look.color, look.marker, str(look.dash)) for look in looks.values()}
    assert len(drawn) == len(families)


def test_the_expected_best_of_n_is_the_mean_over_all_draws_without_replacement() -> None:
    scores = [0.3, 0.9, 0.5, 0.7, 0.7]
    for maximise, best in ((True, max), (False, min)):
        means = [
            statistics.fmean(best(draw) for draw in itertools.combinations(scores, n))
            for n in range(1, len(scores) + 1)
        ]
        assert expected_best(scores, maximise=maximise) == pytest.approx(means)


def test_the_expected_best_of_many_configs_stays_exact() -> None:
    values = expected_best([i / 2000 for i in range(2000)])
    assert values[0] == pytest.approx(0.49975)
    assert values[-1] == pytest.approx(0.9995)
    assert all(a <= b for a, b in itertools.pairwise(values))


def test_the_area_is_a_mean_score_over_the_range_of_rates() -> None:
    curve = {0.0: {0: 0.9, 1: 1.0}, 0.2: {0: 0.8, 1: 0.8}, 0.8: {0: 0.2, 1: 0.4, 2: 0.9}}
    by_hand = [(0.85 * 0.2 + 0.5 * 0.6) / 0.8, (0.9 * 0.2 + 0.6 * 0.6) / 0.8]
    assert area(curve) == pytest.approx(by_hand)
    assert area({0.4: {0: 0.9}}) == []


def test_importance_finds_the_hyperparameter_that_matters_by_both_methods() -> None:
    rng = np.random.default_rng(0)
    points = [
        Point(i, {"alpha": float(a), "kind": kind}, float(1 - (a - 0.7) ** 2), None, False, ())
        for i, (a, kind) in enumerate(zip(rng.uniform(0, 1, 40), rng.choice(["x", "y"], 40), strict=True))
    ]
    found = importances(points, ["alpha", "kind"], maximise=True)
    assert list(found) == ["fANOVA", "PED-ANOVA"]
    for estimate in found.values():
        assert estimate.shares["alpha"] > 0.8
        assert sum(estimate.shares.values()) == pytest.approx(1)
        assert all(estimate.low[key] <= estimate.high[key] for key in estimate.shares)


def test_importance_of_scores_without_variance_is_not_given_by_fanova() -> None:
    points = [Point(i, {"alpha": i / 10, "beta": (i * 7 % 10) / 10}, 0.5, None, False, ()) for i in range(20)]
    assert "fANOVA" not in importances(points, ["alpha", "beta"], maximise=True)


def test_many_configs_have_importances_and_few_a_sentence(reporter: Reporter) -> None:
    def score(todo: Todo, epoch: int) -> float:
        return by_family(todo, epoch) - abs(todo.config.params["alpha"] - 1) / 10

    reporter.worker.accuracy = score
    space = {"alpha": {"uniform": [0.5, 2.0]}, "training.optimizer.lr": {"loguniform": [0.01, 0.2]}}
    search: dict[str, Any] = {"name": "random", "repeats": 1}
    changes: dict[str, Any] = {"families": [{"family": "tce", "space": space}], "noise__rate": 0.0}
    reporter.launch(**changes, search=search | {"configs": 6}, search__repeats=1)
    few = section_of(reporter.document(), "Importance of hyperparameters")
    assert "Not given: with fewer than 20 completed configs of a family (the most here: n = 6)" in words_of(few)
    reporter.launch(**changes, search=search | {"configs": 22}, search__repeats=1)
    many = reporter.document()
    assert len(section_of(many, "Importance of hyperparameters").blocks) == 2
    assert "Configs at a glance" in titles(many)
