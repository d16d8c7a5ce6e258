"""A forecast from the ledger says what a launch would then run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from study.cli.launch import _dry_run
from study.paths import Home
from study.pilot import foresee
from tests.study.conftest import ASHA, FOUR, Driver, SpecMaker


@pytest.fixture
def home(tmp_path: Path, cache: Path) -> Home:
    home = Home(tmp_path)
    home.cache.symlink_to(cache)
    home.study("small").root.mkdir()
    return home


@pytest.mark.parametrize(
    "change",
    [{}, {"search__repeats": 3}, {"noise__rate": [0.0, 0.2]}, {"scheduler": {"name": "none"}}],
    ids=["nothing", "repeat", "noise rate", "no scheduler"],
)
def test_what_is_missing_is_what_a_launch_runs(
    change: dict[str, Any], home: Home, cache: Path, make_spec: SpecMaker
) -> None:
    driver = Driver(home.study("small").ledger, cache)
    spec, changed = make_spec(scheduler=ASHA, **FOUR), make_spec(**{"scheduler": ASHA, **FOUR, **change})
    driver.launch(spec)
    forecast = foresee(changed, home)
    ran = len(driver.launch(changed).ran)
    assert ran <= forecast.missing
    assert bool(ran) == bool(forecast.missing)
    if change != {"noise__rate": [0.0, 0.2]}:  # new configs may be stopped early
        assert ran == forecast.missing


def test_the_pace_is_that_of_the_studys_own_trials(home: Home, cache: Path, make_spec: SpecMaker) -> None:
    Driver(home.study("small").ledger, cache).launch(make_spec(**FOUR))
    forecast = foresee(make_spec(search__repeats=3, **FOUR), home)
    assert forecast.seconds_per_epoch == 0.5
    assert (forecast.trials, forecast.missing) == (12, 4)
    assert forecast.seconds == pytest.approx(4 * 9 * 0.5 / forecast.processes)
    assert [(cell["family"], cell["configs"], cell["repeats"]) for cell in forecast.cells] == [("tce", 4, 3)]


def test_a_forecast_doubts_batches_larger_than_the_training_set(
    home: Home, cache: Path, make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec(training__batch_size=2000, **FOUR)
    Driver(home.study("small").ledger, cache).launch(spec)
    _dry_run(spec, home, as_json=False)
    assert "digits: batches of 2000 are more than its 1150 training images" in capsys.readouterr().out
    assert len(foresee(spec, home).as_json()["doubts"]) == 1


@pytest.mark.parametrize(
    ("lanes", "trained", "said", "estimate"),
    [
        (1, False, ", one trial each at a time", "About"),
        ("auto", False, ", up to 16 lanes", "At most"),
        (4, True, ", up to 4 lanes", "About"),
    ],
    ids=["no lanes", "lanes, by a few batches of one", "lanes, by the study's own trials"],
)
def test_a_forecast_tells_processes_from_lanes_and_an_upper_bound_from_an_estimate(
    lanes: int | str, trained: bool, said: str, estimate: str,
    home: Home, cache: Path, make_spec: SpecMaker, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    spec = make_spec(resources__lanes=lanes, **FOUR)
    if trained:
        Driver(home.study("small").ledger, cache).launch(spec)
    _dry_run(spec, home, as_json=False)
    printed = capsys.readouterr().out
    assert re.search(rf"\d+ process(es)?{said}", printed)
    assert f"\n{estimate} " in printed
    assert ("timed one lane at a time" in printed) == (estimate == "At most")
