"""The answer and the tables of scores: the numbers of `study compare`, and what may be said of them."""

from __future__ import annotations

import re
import sqlite3
import statistics
from contextlib import closing

import pytest

from study.errors import StudyError
from study.records.ledger import Ledger
from study.records.states import DIVERGED
from study.report.document import Bold
from study.results.compare import compare
from study.results.statistics import pairwise_tests
from tests.study.conftest import Todo
from tests.study.report.conftest import (
    CLEAN,
    Reporter,
    by_family,
    rows_of,
    section_of,
    tables,
    words_of,
)


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
    assert "Every other family that was tested is distinguishably worse than tce." in said


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
    assert f"Not distinguishable from mse: ce ({abs(row.test.mean):.4f} behind)." in said
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
    assert "Against the baseline: better than ce: tce; not distinguishable from ce: mse." in said
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


def test_the_level_at_which_repeats_might_tell_is_named(reporter: Reporter) -> None:
    reporter.launch(noise__rate=0.0)
    found = tables(reporter)
    for name in ("tests-digits-clean-mlp-hidden-8", "told"):
        assert "at 5 % divided by the number of tests (Bonferroni), which is enough for Holm's" in found[name].note


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


def test_pairs_that_could_not_be_tested_are_counted_beside_those_that_could(reporter: Reporter) -> None:
    def alike(todo: Todo, epoch: int) -> float:
        return 0.6 + 0.02 * todo.repeat if todo.cell.name in ("ce", "mse") else by_family(todo, epoch)

    reporter.worker.accuracy = alike
    reporter.launch(noise__rate=0.0)
    said = "all 2 pairs of families that could be tested (1 pair could not, having fewer than 3 repeats in common or "
    assert said in tables(reporter)["scores"].note
    assert said in words_of(reporter.document().sections[0])
