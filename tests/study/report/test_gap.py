"""The selection gap, and what the test set would have said."""

from __future__ import annotations

from study.records.ledger import Ledger
from tests.study.report.conftest import (
    STOPPING,
    Reporter,
    rows_of,
    tables,
)


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


def test_the_oracles_column_is_of_the_config_that_the_test_set_would_have_chosen(reporter: Reporter) -> None:
    alphas = {"family": "tce", "space": {"alpha": {"grid": [0.5, 1.0, 1.5]}}}
    reporter.launch(families=["ce", alphas], noise__rate=0.0, search__repeats=2)
    said = {0: 0.5, 1: 0.6, 2: 0.9}  # by the config's number: the search chose config 0
    with Ledger(reporter.paths.ledger, write=True) as ledger:
        numbers = {key: number for _, key, number, _ in ledger.configs()}
        for trial in ledger.trials().values():
            tested = said[numbers[trial.config_key]] + 0.01 * trial.repeat
            ledger.record_oracle(trial.key, {"epoch": trial.best_epoch, "test_accuracy": tested})
    rows = rows_of(tables(reporter)["gap-digits-clean-mlp-hidden-8"])
    assert rows["tce"]["test, these trials (n = 2)"].startswith("0.5050")
    assert rows["tce"]["test, oracle (n = 2)"].startswith("0.9050")
    assert rows["ce"]["test, oracle (n = 2)"] == rows["ce"]["test, these trials (n = 2)"]  # it has one config


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
