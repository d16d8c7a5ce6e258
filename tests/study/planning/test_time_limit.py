"""A launch with `--max-hours`: refused with what would fit, or ended gently when they have passed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from study.cli.output import duration
from study.errors import StudyError
from study.planning.pilot import foresee
from study.planning.time_limit import check_fits, most_fitting
from study.records.ledger import Ledger
from study.records.paths import Home
from study.running.stop import StopRequest
from tests.study.conftest import FOUR, Driver, SpecMaker


@pytest.fixture
def home(tmp_path: Path, cache: Path, make_spec: SpecMaker) -> Home:
    """A study of four configs and one repeat, each epoch of which took ten minutes on every process."""
    home = Home(tmp_path)
    home.cache.symlink_to(cache)
    home.study("small").root.mkdir()
    Driver(home.study("small").ledger, cache).launch(make_spec(search__repeats=1, **FOUR))
    processes = foresee(make_spec(**FOUR), home).processes
    with Ledger(home.study("small").ledger, write=True) as ledger, ledger._transaction() as run:
        run("UPDATE trials SET seconds = epoch * 600 * ?", (processes,))
    return home


def test_what_fits_is_launched(home: Home, make_spec: SpecMaker) -> None:
    check_fits("small", foresee(make_spec(search__repeats=2, **FOUR), home), 6.1, duration)


def test_what_takes_longer_is_refused_with_the_estimate_and_how_many_configs_would_fit(
    home: Home, make_spec: SpecMaker
) -> None:
    forecast = foresee(make_spec(search__repeats=2, **FOUR), home)  # 4 trials of 9 epochs
    assert forecast.seconds == pytest.approx(6 * 3600)
    with pytest.raises(
        StudyError, match=r"--max-hours 5: .* takes .*6 h 00 min .*--set search\.configs=3 would fit, or --trim"
    ):
        check_fits("small", forecast, 5, duration)


def test_where_not_even_one_config_fits_none_is_offered(home: Home, make_spec: SpecMaker) -> None:
    with pytest.raises(StudyError) as refused:
        check_fits("small", foresee(make_spec(search__repeats=2, **FOUR), home), 0.5, duration)
    assert "search.configs" not in str(refused.value)
    assert "--trim" in str(refused.value)


def test_the_number_that_fits_would_not_be_refused(home: Home, make_spec: SpecMaker) -> None:
    forecast = foresee(make_spec(search__repeats=2, **FOUR), home)
    number = most_fitting(forecast.fitting, 5 * 3600)
    fewer = foresee(make_spec(**FOUR, search={"name": "grid", "repeats": 2, "configs": number}), home)
    check_fits("small", fewer, 5, duration)


def test_the_end_is_asked_for_once_when_the_time_is_up_and_not_after_the_launch(tmp_path: Path) -> None:
    said: list[str] = []
    stop = StopRequest(tmp_path / "stop")
    with stop.gently(), stop.after(0.05, lambda: said.append("time")):
        deadline = time.monotonic() + 10
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (bool(stop), stop.timed_out) == (True, True)
    with stop.gently(), stop.after(None, lambda: said.append("never")):
        time.sleep(0.05)
        assert not stop
    assert said == ["time"]
