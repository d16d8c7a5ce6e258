"""A launch with `--max-hours`: refused with what would fit, or ended gently when they have passed."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from study.cli import app
from study.cli.launch import _dry_run
from study.cli.output import duration
from study.errors import StudyError
from study.planning.pilot import foresee
from study.planning.time_limit import check_fits, check_hours, most_fitting
from study.records.ledger import Ledger
from study.records.paths import Home
from study.running.site import ThisMachine
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


def slow_down(home: Home, seconds: str) -> None:
    with Ledger(home.study("small").ledger, write=True) as ledger, ledger._transaction() as run:
        run(f"UPDATE trials SET seconds = epoch * {seconds}")


def test_where_only_the_high_reading_is_longer_it_is_said_and_launched(home: Home, make_spec: SpecMaker) -> None:
    slow_down(home, "(CASE rowid % 2 WHEN 0 THEN 300 ELSE 900 END)")
    forecast = foresee(make_spec(search__repeats=2, **FOUR), home)
    about, high = (forecast.seconds or 0) / 3600, (forecast.seconds_high or 0) / 3600
    assert about < high
    said = check_fits("small", forecast, (about + high) / 2, duration)
    assert f"it may take up to {duration(3600 * high)}" in said
    assert check_fits("small", forecast, high + 0.01, duration) == ""
    with pytest.raises(StudyError, match="--trim"):
        check_fits("small", forecast, about - 0.01, duration)


def test_lanes_that_were_not_timed_together_are_no_reason_to_launch_what_may_take_far_longer(
    tmp_path: Path, cache: Path, make_spec: SpecMaker
) -> None:
    home = Home(tmp_path / "other")
    home.root.mkdir()
    home.cache.symlink_to(cache)
    forecast = foresee(make_spec(resources__lanes="auto", training__epochs=900, search__repeats=2, **FOUR), home)
    assert forecast.seconds is not None
    assert forecast.seconds_low is not None
    assert forecast.seconds_low < forecast.seconds / 2
    hours = (forecast.seconds_low + forecast.seconds) / 2 / 3600
    with pytest.raises(StudyError, match=r"takes up to .* \(timed one lane at a time; .* if lanes"):
        check_fits("small", forecast, hours, duration)


@pytest.mark.parametrize("hours", [math.inf, math.nan])
def test_hours_without_an_end_are_refused_in_a_line(hours: float) -> None:
    with pytest.raises(StudyError, match=f"--max-hours {hours}: give a finite number of hours"):
        check_hours(hours)


@pytest.mark.parametrize("arguments", [["--trim"], [], ["--dry-run"]])
def test_the_command_refuses_hours_without_an_end(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["launch", "quickstart", "--max-hours", "inf", *arguments])
    assert isinstance(result.exception, StudyError)
    assert str(result.exception).startswith("--max-hours inf: give a finite number of hours")


@pytest.mark.filterwarnings("error")
def test_more_seconds_than_a_timer_counts_are_no_mistake(tmp_path: Path) -> None:
    stop = StopRequest(tmp_path / "stop")
    with stop.gently(), stop.after(1e300, lambda: None):
        time.sleep(0.05)  # the timer's thread would raise OverflowError, which pytest makes an error
        assert not stop


@pytest.mark.parametrize(
    ("hours", "refused", "said"),
    [(5, True, "It would be refused: --max-hours 5: what is missing"), (7, False, "--max-hours 7: it would not be")],
)
def test_a_dry_run_says_whether_the_launch_would_be_refused(
    hours: float, refused: bool, said: str, home: Home, make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec(search__repeats=2, **FOUR)
    how = {"strict": False, "site": ThisMachine(), "max_hours": hours}
    _dry_run(spec, home, as_json=True, **how)
    limit = json.loads(capsys.readouterr().out)["max_hours"]
    assert (limit["hours"], limit["refused"]) == (hours, refused)
    assert limit["said"].startswith(said)
    _dry_run(spec, home, as_json=False, **how)
    assert said in " ".join(capsys.readouterr().out.split())
    _dry_run(spec, home, as_json=False, trim=True, **how)
    assert "--trim: what still runs when they have passed is ended gently" in " ".join(capsys.readouterr().out.split())


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
