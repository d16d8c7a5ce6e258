"""A confirmation is what it was last asked to be, until something else is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.records.ledger import Ledger
from study.records.paths import Home, StudyPaths
from study.results.compare import compare
from study.running.confirm_settings import last_settings
from study.spec import ConfirmSpec
from tests.study.commands import Said, run
from tests.study.conftest import SMALL, Driver, SpecMaker

NO_TRIALS: dict[str, int] = {}
Confirmed = Callable[..., StudyPaths]


@pytest.fixture
def confirmed(tmp_path: Path, cache: Path, make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch) -> Confirmed:
    """The study SMALL in a home of its own, searched and confirmed as asked."""
    home = Home(tmp_path / "home")
    monkeypatch.setenv("STUDY_HOME", str(home.root))

    def make(**asked: Any) -> StudyPaths:
        paths = home.study("small")
        paths.root.mkdir(parents=True)
        paths.study_file.write_text(SMALL)
        driver = Driver(paths.ledger, cache)
        driver.launch(make_spec())
        driver.confirm(make_spec(), asked=ConfirmSpec(**asked))
        return paths

    return make


def answered(said: Said) -> Any:
    assert said.code == 0, said
    return json.loads(said.out)


def in_one_line(said: Said) -> str:
    assert said.code == 0, said
    return " ".join(said.out.split())


def test_asking_the_oracle_changes_nothing_else(confirmed: Confirmed) -> None:
    paths = confirmed(repeats=6, top=2)
    said = in_one_line(run("confirm", "small", "--oracle"))
    assert "as confirmed last: --repeats 6 (5 in the study file), --top 2 (1 in the study file)" in said
    assert "no longer asked for" not in said
    again = answered(run("confirm", "small", "--oracle", "--json"))
    assert again["ran"] == NO_TRIALS
    assert again["fell_out_of_scope"] == 0
    assert again["confirm"] == {"protocol": "holdout", "repeats": 6, "top": 2, "curve": False}
    assert [row["n"] for row in again["comparison"]] == [6] * 4
    with Ledger(paths.ledger) as ledger:
        rows = [row for found in compare([("small", ledger)]).tasks.values() for row in found]
    assert [len(row.entry.scores) for row in rows] == [6] * 4


def test_confirming_again_goes_by_the_protocol_that_was_asked_for(confirmed: Confirmed) -> None:
    confirmed(protocol="retrain", repeats=2)
    again = answered(run("confirm", "small", "--json"))
    assert again["ran"] == NO_TRIALS
    assert (again["confirm"]["protocol"], again["confirm"]["repeats"]) == ("retrain", 2)


def test_settings_that_are_given_again_replace_the_last_and_what_falls_out_of_scope_is_counted(
    confirmed: Confirmed,
) -> None:
    confirmed(repeats=6, top=1)
    fewer = in_one_line(run("confirm", "small", "--repeats", "4"))
    assert "note 8 trials of before are no longer asked for: kept, and in no table." in fewer  # 2 of each of 4 cells
    assert "as confirmed last" not in fewer
    assert answered(run("confirm", "small", "--json"))["confirm"]["repeats"] == 4
    more = answered(run("confirm", "small", "--repeats", "6", "--json"))
    assert (more["fell_out_of_scope"], more["ran"], more["comparison"][0]["n"]) == (0, NO_TRIALS, 6)


def test_a_setting_that_the_study_file_has_changed_since_is_the_files(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(confirm={"repeats": 3})
    driver.launch(spec)
    written = spec.confirm
    with Ledger(driver.ledger_path) as ledger:
        assert last_settings(written, ledger) == written  # nothing was confirmed yet
    driver.confirm(spec, asked=ConfirmSpec(repeats=2, protocol="retrain"))
    with Ledger(driver.ledger_path) as ledger:
        assert last_settings(written, ledger) == ConfirmSpec(repeats=2, protocol="retrain")
        changed = last_settings(ConfirmSpec(repeats=7), ledger)
    assert changed == ConfirmSpec(repeats=7, protocol="retrain")
