"""A study from Python."""

from __future__ import annotations

import subprocess
import sys
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from study import Study
from study.errors import StudyError
from study.records.ledger import Ledger
from study.records.paths import StudyPaths
from tests.study.conftest import Driver, SpecMaker


@pytest.fixture
def study(tmp_path: Path, cache: Path, make_spec: SpecMaker) -> Study:
    paths = StudyPaths(tmp_path / "home" / "small")
    paths.root.mkdir(parents=True)
    driver = Driver(paths.ledger, cache)
    spec = make_spec(confirm={"repeats": 3})
    driver.launch(spec)
    driver.confirm(spec)
    return Study.load("small", tmp_path / "home")


def test_trials_have_one_row_each_with_task_settings_scores_and_test_metrics(study: Study) -> None:
    frame = study.trials()
    with Ledger(study.paths.ledger) as ledger:
        known = ledger.trials()
    assert sorted(frame.index) == sorted(known)
    assert frame.loc[list(known), "best_score"].tolist() == [trial.best_score for trial in known.values()]
    searched, confirmed = (frame[frame.phase == phase] for phase in ("search", "confirm"))
    assert (len(searched), len(confirmed)) == (2 * (1 + 3) * 2, 2 * 2 * 3)
    assert sorted(searched.alpha.dropna().unique()) == [0.5, 1.0, 1.5]
    assert searched.test_accuracy.isna().all()
    assert sorted(confirmed.test_accuracy.unique()) == pytest.approx([0.8, 0.81, 0.82])
    assert set(frame.family) == {"ce", "tce"}
    assert frame.in_scope.all()


def test_trials_out_of_scope_are_marked(tmp_path: Path, cache: Path, make_spec: SpecMaker) -> None:
    (tmp_path / "small").mkdir()
    driver = Driver(tmp_path / "small" / "ledger.db", cache)
    driver.launch(make_spec())
    driver.launch(make_spec(families=["ce"]))
    frame = Study.load("small", tmp_path).trials()
    assert set(frame[~frame.in_scope].family) == {"tce"}
    assert set(frame[frame.in_scope].family) == {"ce"}


def test_configs_have_their_scores_and_the_best_of_each_cell_is_marked(study: Study) -> None:
    frame = study.configs()
    assert len(frame) == 2 * (1 + 3)
    assert set(frame.n) == {2}
    for _, cell in frame.groupby(["family", "noise_rate"]):
        assert cell.loc[cell.best, "mean"].tolist() == [cell["mean"].max()]
    assert set(study.configs("confirm")["mean"].round(9)) == {0.81}
    with pytest.raises(StudyError, match="unknown phase 'confrm'; did you mean 'confirm'"):
        study.configs("confrm")


def test_best_has_a_row_for_each_cell_with_its_test_numbers(study: Study) -> None:
    frame = study.best()
    assert frame[["family", "noise_rate"]].values.tolist() == [["ce", 0.0], ["tce", 0.0], ["ce", 0.4], ["tce", 0.4]]
    assert frame.test_mean.tolist() == pytest.approx([0.81] * 4)
    assert frame.test_n.tolist() == [3] * 4


def test_curves_are_the_reports_of_a_trial(study: Study) -> None:
    key = study.trials().index[0]
    frame = study.curves(key)
    with Ledger(study.paths.ledger) as ledger:
        reports = dict(ledger.reports(key))
    assert frame.index.tolist() == list(reports) == list(range(1, 10))
    assert frame.val_accuracy_noisy.tolist() == [metrics["val_accuracy_noisy"] for metrics in reports.values()]
    with pytest.raises(StudyError, match="unknown trial 'nothing'"):
        study.curves("nothing")


def test_a_comparison_has_a_frame(study: Study) -> None:
    comparison = study.compare(baseline="ce", phase="search")
    frame = comparison.to_frame()
    assert frame[["task", "family"]].drop_duplicates().shape[0] == len(frame) == 4
    row = next(row for rows in comparison.tasks.values() for row in rows if row.test is not None)
    found = frame[(frame.task == row.entry.task) & (frame.family == row.entry.family)].iloc[0]
    assert row.test is not None
    assert found.paired_mean == row.test.mean
    assert isnan(found.paired_p)  # two repeats are no test
    assert found["mean"] == row.entry.mean


def test_a_report_is_written_by_the_reports_own_code(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def write_report(*given: Any, **named: Any) -> Path:
        asked.append((given[1:], named))
        return Path("page.html")

    monkeypatch.setattr("study.report.write_report", write_report)
    assert study.report("out", baseline="ce") == Path("page.html")
    assert asked == [((study.paths, Path("out")), {"baseline": "ce"})]


def test_the_home_is_the_command_lines(study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    assert Study.load("small").name == "small"
    with pytest.raises(StudyError, match="unknown study 'smal'; did you mean 'small'"):
        Study.load("smal")


def test_a_study_without_a_trial_has_empty_frames(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    Ledger(tmp_path / "new" / "ledger.db", write=True).close()
    study = Study.load("new", tmp_path)
    assert [len(study.trials()), len(study.configs()), len(study.best())] == [0, 0, 0]


def test_importing_it_brings_nothing_heavy() -> None:
    script = (
        "import sys\nfrom study import Study\n"
        "print([name for name in ('torch', 'ray', 'mlflow', 'optuna', 'sklearn', 'pandas') if name in sys.modules])\n"
        "import study\n"
        "try: study.Studies\n"
        "except AttributeError as problem: print(problem)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["[]", "module 'study' has no attribute 'Studies'"]
