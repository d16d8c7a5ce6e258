"""Data sets in a study: roots and options in the file and on the command line, what counts in a key, `study data`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from typer.testing import CliRunner

from study.cli import app
from study.errors import StudyError
from study.planning.plan import make_plan
from study.spec.study_file import load_spec
from tests.study.conftest import SMALL
from trainables.data.datasets import SOURCES
from trainables.data.datasets.options import SHARED
from trainables.data.fixtures import write_synthetic
from trainables.engine.session import Session


def launched(folder: Path, dataset: str, *overrides: str, data: Path | None = None) -> Any:
    """SMALL on another data set, as it is read from a file in `folder`."""
    path = folder / "small.yaml"
    path.write_text(SMALL.replace("{name: digits, holdout: 0.2}", dataset))
    return load_spec(path, overrides, data)


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    return write_synthetic("cifar10", tmp_path / "data", images_per_class=10)


# -- the study file -----------------------------------------------------------------------------------------------


def test_a_root_counts_from_the_study_files_folder_and_on_the_command_line_from_the_current_one(
    cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    spec, document = launched(tmp_path, "{name: cifar10, root: data}")
    assert spec.dataset[0].root == str(cifar)
    assert f"root: {cifar}" in document.as_launched()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "below").mkdir()
    assert launched(tmp_path / "below", "cifar10", "dataset.root=data")[0].dataset[0].root == str(cifar)


def test_data_is_the_root_of_data_sets_that_need_one_and_name_none(cifar: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    several = f"[cifar10, {{name: svhn, root: {tmp_path / 'own'}}}, digits]"
    spec, _ = launched(tmp_path, several, data=cifar)
    assert [dataset.root for dataset in spec.dataset] == [str(cifar), str(tmp_path / "own"), None]
    assert launched(tmp_path, "{name: mnist}", data=cifar)[0].dataset[0].root == str(cifar)
    with pytest.raises(StudyError, match="--data /no/where: no such folder"):
        launched(tmp_path, "cifar10", data=Path("/no/where"))


def test_holdout_is_a_share_or_a_number_of_images(tmp_path: Path) -> None:
    for written, meant in (("0.25", 0.25), ("300", 300), ("1e2", 100)):
        holdout = launched(tmp_path, f"{{name: digits, holdout: {written}}}")[0].dataset[0].holdout
        assert (holdout, type(holdout)) == (meant, type(meant))
    for wrong in ("1", "1.5", "0", "-3", "true"):
        with pytest.raises(StudyError, match=r"small\.yaml:3: dataset\.holdout"):
            launched(tmp_path, f"{{name: digits, holdout: {wrong}}}")


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("{name: svhn, extras: true}", r"dataset\.extras: unknown key 'extras'; did you mean 'extra'\?"),
        ("{name: digits, oldest: 3}", r"unknown key 'oldest'"),
        ("{name: ages, oldest: many}", r"oldest = 'many' is not a whole number of at least 2"),
        ("{name: digits, limit: 0.5}", r"limit = 0\.5 is not a whole number"),
        ("{name: 'no_such:thing'}", r"No module named 'no_such'"),
        ("[digits, digits]", "give one of them a label: data set digits is named twice"),
    ],
)
def test_options_that_do_not_fit_are_refused_with_their_line(dataset: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=expected) as refused:
        launched(tmp_path, dataset)
    assert "small.yaml:3: " in str(refused.value)


def test_one_data_set_may_be_studied_in_several_cuts_under_names_of_their_own(tmp_path: Path, cache: Path) -> None:
    cuts = "[{name: digits, limit: 200}, digits, {name: digits, classes: [0, 1], label: binary}]"
    plan = make_plan(launched(tmp_path, cuts)[0], cache)
    titles = dict.fromkeys(cell.task.dataset.title for cell in plan.cells)
    assert list(titles) == ["digits limit=200", "digits", "binary"]
    assert len({cell.key for cell in plan.cells}) == len(plan.cells) == 3 * 2 * 2
    assert len({cell.configs[0].trial_key(0) for cell in plan.cells}) == 3 * 2 * 2


# -- keys and trials ----------------------------------------------------------------------------------------------


def test_the_digest_counts_in_a_trials_key_and_the_root_does_not(cifar: Path, tmp_path: Path, cache: Path) -> None:
    copied = shutil.copytree(cifar, tmp_path / "copied")
    other = write_synthetic("cifar10", tmp_path / "other", images_per_class=10, seed=1)
    keys = []
    for root in (cifar, copied, other):
        config = make_plan(launched(tmp_path, f"{{name: cifar10, root: {root}}}")[0], cache).cells[0].configs[0]
        assert config.trial(0)["dataset"]["root"] == str(root)
        keys.append((config.cell.key, config.key, config.trial_key(0)))
    assert keys[0] == keys[1]
    assert all(mine != others for mine, others in zip(keys[0], keys[2], strict=True))


def test_a_worker_trains_to_the_same_numbers_where_the_files_or_the_test_labels_are_gone(
    cifar: Path, tmp_path: Path
) -> None:
    spec, _ = launched(tmp_path, "cifar10", data=cifar)
    trial = make_plan(spec, tmp_path / "cache").cells[0].configs[0].trial(0)
    whole = Session("t", trial, tmp_path / "cache").advance()
    (cifar / "cifar-10-batches-py" / "test_batch").unlink()
    spec, _ = launched(tmp_path, "cifar10", data=cifar)
    without_test = make_plan(spec, tmp_path / "other").cells[0].configs[0].trial(0)
    assert without_test == trial
    shutil.rmtree(cifar)
    for cache in (tmp_path / "cache", tmp_path / "other"):
        again = Session("t", trial, cache).advance()
        assert {k: v for k, v in again.items() if k not in ("seconds", "time")} == {
            k: v for k, v in whole.items() if k not in ("seconds", "time")
        }


def test_missing_files_are_one_line_before_any_trial(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(StudyError, match=r"^data set 'svhn' needs files: no train_32x32\.mat in ") as refused:
        make_plan(launched(tmp_path, "svhn", data=tmp_path)[0], cache)
    assert str(refused.value).endswith("or run: study data fetch svhn --data DIR")


# -- study data ---------------------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run `study data ...` and return what it prints; StudyError for a mistake."""
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "studies"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("STUDY_DATA", raising=False)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["data", *arguments], standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        return done.stdout

    return run


def test_list_says_of_each_data_set_whether_its_files_are_there(study: Callable[..., str], cifar: Path) -> None:
    rows = {row["data_set"]: row for row in json.loads(study("list", "--data", str(cifar), "--json"))}
    assert [name for name, row in rows.items() if row["there"]] == ["digits", "cifar10"]
    assert (rows["cifar10"]["images"], rows["cifar10"]["classes"]) == ("50,000 + 10,000", "10")
    assert "extra" in rows["svhn"]["options"]
    assert "fashion_mnist" in study("list")


def test_check_counts_images_classes_and_copies(study: Callable[..., str], cifar: Path) -> None:
    found = json.loads(study("check", "cifar10", "--data", str(cifar), "--set", "limit=50", "--json"))
    assert (found["shape"], found["synthetic"], len(found["classes"])) == ([3, 32, 32], True, 10)
    assert found["parts"]["pool"]["per_class"]["airplane"] == 5
    assert found["parts"]["test"]["images"] == 20
    assert found["duplicates"] == {"pool": 0, "test": 0, "between": 0, "between_other_label": 0}
    said = study("check", "cifar10", "--data", str(cifar))
    assert "10 classes, images 3x32x32 synthetic" in said
    assert "0 test images lie in the pool too" in said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("check", "cifar10"), "needs files: no folder is named; give --data DIR"),
        (("check", "cifra10"), "did you mean 'cifar10'"),
        (("check", "digits", "--set", "limit"), "not KEY=VALUE"),
        (("check", "digits", "--set", "limit=no"), "limit = 'no' is not a whole number"),
        (("fetch", "ages", "--data", "."), "cannot be downloaded by a program"),
        (("fetch", "svhn", "--data", ".", "--set", "extra=2"), "extra = 2 is neither true nor false"),
    ],
)
def test_a_mistake_is_one_line(study: Callable[..., str], arguments: tuple[str, ...], expected: str) -> None:
    with pytest.raises(StudyError, match=expected) as refused:
        study(*arguments)
    assert "\n" not in str(refused.value)


def test_a_network_that_fails_is_one_line(
    study: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    for module in ("mnist", "cifar"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.download_and_extract_archive", unreachable)
    for name in ("mnist", "cifar10"):
        with pytest.raises(StudyError, match=f"data set '{name}' was not fetched: .*Name or service not known"):
            study("fetch", name, "--data", str(tmp_path / "new" / "folder"))
        assert not (tmp_path / "new").exists()
    (tmp_path / "kept" / "MNIST").mkdir(parents=True)
    with pytest.raises(StudyError, match="was not fetched"):
        study("fetch", "cifar10", "--data", str(tmp_path / "kept"))
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["MNIST"]


def test_what_was_downloaded_before_a_failure_stays(
    study: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(url: str, download_root: str, **_: object) -> None:
        Path(download_root, "train-images").write_bytes(b"half")
        raise URLError("reset")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", half)
    with pytest.raises(StudyError, match="reset"):
        study("fetch", "mnist", "--data", str(tmp_path / "new"))
    assert [path.name for path in (tmp_path / "new").rglob("*") if path.is_file()] == ["train-images"]


def test_fetch_downloads_and_checks(study: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(url: str, download_root: str, **_: object) -> None:
        write_synthetic("mnist", Path(download_root).parents[1], images_per_class=5)

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", download)
    found = json.loads(study("fetch", "mnist", "--data", str(tmp_path / "new"), "--json"))
    assert found["parts"]["pool"]["images"] == 50


def test_the_documentation_names_every_data_set_and_every_option() -> None:
    text = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
    for name, source in SOURCES.items():
        for word in (name, *source.options, *SHARED):
            assert f"`{word}" in text, word
