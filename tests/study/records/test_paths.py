"""Where a study's files lie, and how studies and presets are found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from study.errors import StudyError
from study.records.paths import Home, StudyPaths, find_study_file, preset_names


def test_everything_a_study_leaves_lies_in_its_folder() -> None:
    paths = StudyPaths(Path("/home/studies/mine"))
    files = [paths.ledger, paths.lock, paths.stop, paths.study_file, paths.best, paths.checkpoint("k")]
    assert all(file.is_relative_to(paths.root) for file in files)
    assert len(set(files)) == len(files)
    assert paths.checkpoint("k") != paths.checkpoint("l")
    assert paths.name == "mine"


def test_home_is_the_environments_or_studies_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STUDY_HOME", raising=False)
    assert Home.current().root == tmp_path / "studies"
    monkeypatch.setenv("STUDY_HOME", "")
    assert Home.current().root == tmp_path / "studies"
    monkeypatch.setenv("STUDY_HOME", "elsewhere")
    assert Home.current().root == tmp_path / "elsewhere"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STUDY_HOME", "~/mine")
    assert Home.current().root == tmp_path / "mine"


def test_the_default_mlflow_store_is_one_file_in_the_home(tmp_path: Path) -> None:
    assert Home(tmp_path).mlflow_uri == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_home_lists_the_studies_that_have_a_ledger_and_suggests_the_nearest(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.names() == []
    for name in ("quickstart", "another"):
        (tmp_path / name).mkdir()
        home.study(name).ledger.touch()
    (tmp_path / "empty").mkdir()
    assert home.names() == ["another", "quickstart"]
    assert home.existing("another") == home.study("another")
    with pytest.raises(StudyError, match=r"unknown study 'quikstart'; did you mean 'quickstart'\?"):
        home.existing("quikstart")
    with pytest.raises(StudyError, match="unknown study 'empty'"):
        home.existing("empty")


def test_a_home_that_cannot_be_made_or_written_is_refused_with_the_way_out(tmp_path: Path) -> None:
    Home(tmp_path / "new" / "home").ensure_writable()
    assert (tmp_path / "new" / "home").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match=r"cannot be made: .*; set STUDY_HOME to a folder of yours"):
        Home(tmp_path / "file" / "home").ensure_writable()
    if os.geteuid() != 0:  # root may write everywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(StudyError, match="cannot be written; set STUDY_HOME"):
            Home(tmp_path / "locked").ensure_writable()


def test_a_study_file_is_found_by_path_or_by_name_of_a_preset(tmp_path: Path) -> None:
    assert "quickstart" in preset_names()
    assert find_study_file("quickstart").read_text().startswith("# quickstart")
    mine = tmp_path / "mine"
    mine.write_text("name: mine")
    assert find_study_file(str(mine)) == mine
    assert find_study_file("not/there.yaml") == Path("not/there.yaml")  # reading it says that it is not there
    with pytest.raises(StudyError, match="did you mean 'quickstart'"):
        find_study_file("quikstart")


def test_a_file_here_goes_before_a_preset_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quickstart").write_text("name: mine")
    assert find_study_file("quickstart").read_text() == "name: mine"
