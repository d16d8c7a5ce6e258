"""A forecast from the ledger says what a launch would then run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from study.cli.launch import _dry_run
from study.errors import StudyError
from study.planning.pilot import foresee
from study.planning.preflight import num_workers
from study.records.ledger import Ledger
from study.records.paths import Home
from study.running.site import ThisMachine
from tests.study.conftest import ASHA, FOUR, Driver, SpecMaker
from trainables.engine.room import FILLED, HostMemory


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
    _dry_run(spec, home, as_json=False, strict=False, site=ThisMachine())
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
    _dry_run(spec, home, as_json=False, strict=False, site=ThisMachine())
    printed = capsys.readouterr().out
    assert re.search(rf"\d+ process(es)?{said}", printed)
    assert f"\n{estimate} " in printed
    assert ("timed one lane at a time" in printed) == (estimate == "At most")


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_budget_is_named_and_bounds_the_estimate(
    repeats: int, home: Home, cache: Path, make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    Driver(home.study("small").ledger, cache).launch(make_spec(**FOUR))
    space = {"families": [{"family": "tce", "space": {"alpha": {"uniform": [0.25, 2.0]}}}], "noise__rate": 0.0}
    spec = make_spec(**space, search={"name": "random", "configs": 200, "epochs": 80, "repeats": repeats})
    forecast = foresee(spec, home)
    assert forecast.seconds == pytest.approx(80 * repeats * 0.5 / forecast.processes)
    _dry_run(spec, home, as_json=False, strict=False, site=ThisMachine())
    assert "80 epochs at most (search.epochs), 8 whole trainings" in capsys.readouterr().out


def test_what_a_budget_was_spent_on_is_not_to_come_again(home: Home, cache: Path, make_spec: SpecMaker) -> None:
    space = {"families": [{"family": "tce", "space": {"alpha": {"uniform": [0.25, 2.0]}}}], "noise__rate": 0.0}
    search = {"name": "random", "configs": 200, "repeats": 1}
    Driver(home.study("small").ledger, cache).launch(make_spec(**space, search=search | {"epochs": 45}))
    forecast = foresee(make_spec(**space, search=search | {"epochs": 80}), home)
    assert forecast.seconds == pytest.approx((80 - 45) * 0.5 / forecast.processes)


def test_an_estimate_has_the_interval_of_the_trials_that_were_timed(
    home: Home, cache: Path, make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    Driver(home.study("small").ledger, cache).launch(make_spec(**FOUR))
    with Ledger(home.study("small").ledger, write=True) as ledger, ledger._transaction() as run:
        run("UPDATE trials SET seconds = epoch * (CASE repeat WHEN 0 THEN 100 ELSE 300 END)")
    spec = make_spec(search__repeats=3, **FOUR)
    forecast = foresee(spec, home)
    low, about, high = (
        seconds / (4 * 9 / forecast.processes)
        for seconds in (forecast.seconds_low or 0, forecast.seconds or 0, forecast.seconds_high or 0)
    )
    assert about == pytest.approx(200)
    assert 100 <= low < about < high <= 300
    _dry_run(spec, home, as_json=False, strict=False, site=ThisMachine())
    assert re.search(r"\nAbout .* \(.* to .*\) of training", capsys.readouterr().out)


def test_a_dry_run_says_and_refuses_the_changes_that_a_launch_would(
    home: Home, cache: Path, make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    Driver(home.study("small").ledger, cache).launch(make_spec(**FOUR))  # in an environment of which nothing is known
    _dry_run(make_spec(**FOUR), home, as_json=False, strict=False, site=ThisMachine())
    assert "the code that trains has changed" in capsys.readouterr().out
    with pytest.raises(StudyError, match="with --strict: the code that trains has changed"):
        _dry_run(make_spec(**FOUR), home, as_json=False, strict=True, site=ThisMachine())


MINE = "from trainables.losses.ce import CrossEntropy\n\n\nclass Mine(CrossEntropy):\n    pass\n"


def test_trials_that_are_new_because_ones_own_loss_has_changed_say_so(
    home: Home, cache: Path, tmp_path: Path, make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "losses_that_change.py"
    module.write_text(MINE)
    spec = make_spec(families=["losses_that_change:Mine", "ce"], noise__rate=0.0, search__repeats=3)
    Driver(home.study("small").ledger, cache).launch(spec)
    told = "losses_that_change has changed: its 3 trials are new"
    assert told not in foresee(spec, home).changes
    module.write_text(MINE + "\n# another text\n")
    forecast = foresee(spec, home)
    assert told in forecast.changes
    assert forecast.missing == 3


def test_memory_is_measured_once_for_each_kind_of_trial(
    home: Home, make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = {"name": "mlp", "hidden": 8}, {"name": "mlp", "hidden": 4000}
    spec = make_spec(model=[small, large], families=["ce", "mse"], resources__lanes=4)
    needs = {need.kind: need for need in foresee(spec, home).memory}
    assert list(needs) == [f"mlp hidden={width} on digits, batches of 64" for width in (8, 4000)]
    assert all(need.families == ["ce", "mse"] and need.device == "cpu" for need in needs.values())
    little, much = (need.bytes_per_trial for need in needs.values())
    weights = 4 * 4000 * (64 + 1 + 10)
    assert much - little > 3 * weights  # themselves, their gradient and their momentum at the least
    _dry_run(spec, home, as_json=False, strict=False, site=ThisMachine())
    assert re.search(
        r"Memory: \d+ MiB for a trial of mlp hidden=4000 on digits, batches of 64 \(ce, mse\), .* 4 lanes fit in each",
        capsys.readouterr().out,
    )


def test_a_loss_with_modules_of_its_own_and_another_batch_size_are_kinds_of_their_own(
    home: Home, make_spec: SpecMaker
) -> None:
    own = {"family": "msl", "space": {"xi": 0.5, "modules": "last", "training.batch_size": 64}}
    larger = {"family": "ce", "label": "ce-128", "space": {"training.batch_size": 128}}
    needs = foresee(make_spec(families=["ce", own, larger], noise__rate=0.0), home).memory
    kind = "mlp hidden=8 on digits, batches of"
    assert {need.kind: need.families for need in needs} == {
        f"{kind} 64": ["ce"], f"{kind} 64, modules at last": ["msl"], f"{kind} 128": ["ce-128"],
    }  # fmt: skip


def test_lanes_that_fit_are_those_of_the_free_memory(
    home: Home, make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec(model={"name": "mlp", "hidden": 4000}, families=["ce"], resources__lanes=8)
    (need,) = foresee(spec, home).memory
    assert need.lanes_that_fit >= 8
    grown = iter([0.0, 100.0] * 2)
    memory = {"held": lambda self: next(grown), "peak": lambda self: next(grown), "restart": lambda self: None}
    for name, answer in memory.items():
        monkeypatch.setattr(HostMemory, name, answer)
    for fit, said in ((5, "5 of 8 lanes fit in each process, the others wait"), (0, "it does not fit")):
        monkeypatch.setattr(HostMemory, "free", lambda self, fit=fit: num_workers(spec) * 100.0 * (fit + 0.5) / FILLED)
        _dry_run(spec, home, as_json=False, strict=False, site=ThisMachine())
        assert said in capsys.readouterr().out


def test_a_study_whose_own_trials_tell_the_pace_measures_no_memory(
    home: Home, cache: Path, make_spec: SpecMaker
) -> None:
    Driver(home.study("small").ledger, cache).launch(make_spec(**FOUR))
    assert foresee(make_spec(search__repeats=3, **FOUR), home).as_json()["memory"] == ()


SMALL, WIDE = {"name": "mlp", "hidden": 8}, {"name": "mlp", "hidden": 3000}


def take(home: Home, seconds_per_epoch: str) -> None:
    """Let the trials that ran have taken so long; the text is SQL."""
    with Ledger(home.study("small").ledger, write=True) as ledger, ledger._transaction() as run:
        run(f"UPDATE trials SET seconds = epoch * ({seconds_per_epoch})")


def test_a_network_that_never_ran_is_tried_out_though_others_have_run(
    home: Home, cache: Path, make_spec: SpecMaker
) -> None:
    Driver(home.study("small").ledger, cache).launch(make_spec(**FOUR))
    take(home, "1e6")
    forecast = foresee(make_spec(model=[SMALL, WIDE], resources__lanes=4, **FOUR), home)
    assert forecast.missing == 8  # four configs and two repeats of the wide one
    assert forecast.seconds_per_epoch is not None
    assert forecast.seconds_per_epoch < 1e5  # its own, and not that of the trials that ran
    assert [need.kind for need in forecast.memory] == ["mlp hidden=3000 on digits, batches of 64"]
    assert (forecast.basis, forecast.alone) == ("from 4 batches of each kind of trial", True)


def test_what_ran_and_what_never_did_are_each_priced_for_themselves(
    home: Home, cache: Path, make_spec: SpecMaker
) -> None:
    Driver(home.study("small").ledger, cache).launch(make_spec(**FOUR))
    take(home, "1e6")
    forecast = foresee(make_spec(model=[SMALL, WIDE], search__repeats=3, **FOUR), home)
    assert forecast.missing == 4 + 12
    assert forecast.seconds == pytest.approx(4 * 9 * 1e6 / forecast.processes, rel=0.01)
    assert forecast.seconds_per_epoch == pytest.approx(1e6 * 4 / 16, rel=0.01)
    assert forecast.basis == "from 8 trials of this study and 4 batches of each new kind of trial"


def test_each_kind_counts_by_the_epochs_that_it_has_to_come(home: Home, cache: Path, make_spec: SpecMaker) -> None:
    large = {"family": "tce", "space": {"alpha": {"grid": [0.5, 1.0, 1.5]}, "training.batch_size": 128}}
    changes: dict[str, Any] = {"families": ["ce", large], "noise__rate": 0.0}
    Driver(home.study("small").ledger, cache).launch(make_spec(search__repeats=1, **changes))
    take(home, "CASE json_extract(trial, '$.training.batch_size') WHEN 64 THEN 10 ELSE 1000 END")
    forecast = foresee(make_spec(search__repeats=2, **changes), home)
    assert forecast.seconds == pytest.approx((1 * 9 * 10 + 3 * 9 * 1000) / forecast.processes)
    assert forecast.seconds_per_epoch == pytest.approx((1 * 10 + 3 * 1000) / 4)
    assert (forecast.seconds_low, forecast.seconds_high) == (forecast.seconds, forecast.seconds)
    assert forecast.memory == ()


def test_another_noise_is_no_other_kind(home: Home, cache: Path, make_spec: SpecMaker) -> None:
    Driver(home.study("small").ledger, cache).launch(make_spec(**FOUR))
    forecast = foresee(make_spec(**FOUR | {"noise__rate": [0.0, 0.2]}), home)
    assert forecast.missing == 8
    assert (forecast.seconds_per_epoch, forecast.memory) == (0.5, ())


def test_of_many_kinds_in_a_cell_no_more_than_four_are_tried_out(home: Home, make_spec: SpecMaker) -> None:
    sizes = {"family": "ce", "space": {"training.batch_size": {"grid": [16, 32, 64, 128, 256, 512]}}}
    forecast = foresee(make_spec(families=[sizes], noise__rate=0.0), home)
    assert (len(forecast.memory), forecast.missing) == (4, 12)
    assert forecast.seconds


def test_trials_of_a_loss_that_is_gone_are_no_hindrance(
    home: Home, cache: Path, tmp_path: Path, make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "losses_that_go.py"
    module.write_text(MINE)
    Driver(home.study("small").ledger, cache).launch(make_spec(families=["losses_that_go:Mine", "ce"]))
    module.unlink()
    monkeypatch.delitem(sys.modules, "losses_that_go")
    forecast = foresee(make_spec(families=["ce"], search__repeats=3), home)
    assert (forecast.missing, forecast.seconds_per_epoch) == (2, 0.5)
