"""A study whose data is not there yet can be counted and timed, and says what was not looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.cli.launch import _dry_run
from study.errors import StudyError
from study.planning.pilot import foresee
from study.planning.stand_in import plan_without_data, published_images
from study.records.paths import Home, find_study_file
from study.running.site import ThisMachine
from study.spec import DatasetSpec, StudySpec
from study.spec.study_file import load_spec
from tests.study.conftest import Driver
from trainables.data.fixtures import write_synthetic


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("STUDY_DATA", raising=False)
    return Home(tmp_path / "studies")


def read(preset: str, *overrides: str) -> StudySpec:
    return load_spec(find_study_file(preset), overrides)[0]


def test_a_dry_run_without_data_counts_trials_and_says_how_to_get_the_data(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = read("tce-table2-mnist", "model=lenet", "noise.rate=0.0")
    forecast = foresee(spec, home)
    assert (len(forecast.cells), forecast.trials, forecast.missing) == (7, 7, 7)
    assert {cell["task"] for cell in forecast.cells} == {"mnist, clean, lenet"}
    (said,) = forecast.assumed
    assert "study data fetch mnist --data DIR" in said
    assert "its size is the published one (60,000 images)" in said
    assert forecast.seconds is not None
    assert forecast.seconds_per_epoch is not None
    assert forecast.seconds_per_epoch > 0
    monkeypatch.setattr("study.planning.pilot.foresee", lambda spec, home, **_: forecast)  # which was timed above
    _dry_run(spec, home, as_json=False, strict=False, site=ThisMachine())
    printed = capsys.readouterr().out
    assert said in printed
    assert "No trial was run" in printed
    assert not home.study(spec.name).ledger.exists()


def test_the_training_images_are_those_published_less_those_held_out(home: Home) -> None:
    assumed = plan_without_data(read("tce-table2-cifar10"), home.cache)
    assert {cell.task.num_train for cell in assumed.plan.cells} == {45_000}
    assert assumed.sized


def test_iterations_become_epochs_of_the_published_size(home: Home) -> None:
    spec = read("tce-table2-cifar10", "training.epochs=null", "training.iterations=3520")
    assert plan_without_data(spec, home.cache).plan.most_epochs == 10  # of 352 batches of 128


def test_images_of_ones_own_have_no_published_size_and_no_time(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    spec = read("quickstart", "dataset={name: image_folder, size: 16}", "families=[ce, tce]")
    forecast = foresee(spec, home)
    assert forecast.trials == 2 * 2 * 4 * 3
    assert (forecast.epochs, forecast.seconds, forecast.seconds_per_epoch) == (None, None, None)
    _dry_run(spec, home, as_json=False, strict=False, site=ThisMachine())
    assert "How long they take cannot be said before the data is there" in capsys.readouterr().out


def test_what_depends_on_the_missing_files_is_refused_in_their_line(home: Home, tmp_path: Path) -> None:
    for change in ("classes=[cat, dog]", "leave_out=[cat]"):
        key, value = change.split("=")
        spec = read("quickstart", f"dataset={{name: image_folder, {key}: {value}}}")
        with pytest.raises(StudyError, match="data set 'image_folder' needs files: no folder is named"):
            foresee(spec, home)
    (tmp_path / "labels.npy").write_bytes(b"")
    noise = f"noise={{kind: file, path: {tmp_path / 'labels.npy'}}}"
    with pytest.raises(StudyError, match="data set 'cifar10' needs files: no folder is named"):
        foresee(read("tce-table2-cifar10", noise), home)


def test_files_that_are_there_are_read_and_nothing_is_assumed(home: Home, tmp_path: Path) -> None:
    root = write_synthetic("cifar10", tmp_path / "mine", images_per_class=20)
    assumed = plan_without_data(read("tce-table2-cifar10", f"dataset.root={root}", "dataset.holdout=0.2"), home.cache)
    assert assumed.said == ()
    assert {cell.task.num_train for cell in assumed.plan.cells} == {160}


def test_trials_that_ran_are_said_to_count_as_still_to_run(home: Home, tmp_path: Path) -> None:
    root = write_synthetic("cifar10", tmp_path / "mine", images_per_class=20)
    small = ("paper=null", "families=[ce]", "noise.rate=[0.0]", "dataset.holdout=0.2")
    path = home.study("tce-table2-cifar10").ledger
    path.parent.mkdir(parents=True)
    Driver(path, home.cache).launch(read("tce-table2-cifar10", f"dataset.root={root}", *small))
    forecast = foresee(read("tce-table2-cifar10", *small), home)
    assert forecast.missing == 1
    assert (forecast.seconds_per_epoch, forecast.basis) == (0.5, "from 1 trial of this study")
    assert forecast.doubts == ["without its data a study's own trials are not found again: all count as still to run"]
    assert foresee(read("tce-table2-cifar10", f"dataset.root={root}", *small), home).missing == 0


@pytest.mark.parametrize(
    ("dataset", "images"),
    [
        ({"name": "cifar10"}, 50_000),
        ({"name": "cifar10", "limit": 5000}, 5000),
        ({"name": "cifar10", "classes": ["cat", "dog"]}, 10_000),
        ({"name": "cifar100", "leave_out": ["keyboard"]}, 49_500),
        ({"name": "svhn"}, 73_257),
        ({"name": "svhn", "extra": True}, 73_257 + 531_131),
        ({"name": "imagenet"}, 1_281_167),
        ({"name": "image_folder"}, None),
        ({"name": "ages"}, None),
    ],
)
def test_published_sizes_follow_the_options(dataset: dict[str, object], images: int | None) -> None:
    assert published_images(DatasetSpec.model_validate(dataset)) == images
