"""The copy of a study file that a launch leaves in the study's folder can be launched from anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from study.records.ledger import Ledger
from study.records.paths import Home
from study.spec.study_file import folder_of_modules, load_launched, load_spec

OWN = """\
from trainables.losses.ce import CrossEntropy


class Mine(CrossEntropy):
    pass
"""
STUDY = (
    "name: tiny\ndataset: digits\nmodel: {name: mlp, hidden: 8}\nfamilies: ['losses_of_its_author:Mine']\n"
    "training: {epochs: 1, optimizer: {name: sgd, lr: 0.05}}\n"
)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy in the folder of a study that was launched from `author`."""
    (tmp_path / "author").mkdir()
    (tmp_path / "author" / "losses_of_its_author.py").write_text(OWN)
    paths = Home(tmp_path / "studies").study("tiny")
    paths.root.mkdir(parents=True)
    paths.study_file.write_text(STUDY)
    with Ledger(paths.ledger, write=True) as ledger:
        ledger.record_spec({}, {"launched_from": str(tmp_path / "author")})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "losses_of_its_author", raising=False)
    return paths.study_file


def test_it_finds_the_losses_beside_the_file_that_was_launched(copy: Path) -> None:
    (family,) = load_spec(copy)[0].families
    assert family.family == "losses_of_its_author:Mine"


def test_commands_that_read_it_find_them_too(copy: Path, tmp_path: Path) -> None:
    assert load_launched(Home(tmp_path / "studies").study("tiny")).name == "tiny"


def test_launching_it_does_not_make_its_folder_the_place_of_the_losses(copy: Path, tmp_path: Path) -> None:
    assert folder_of_modules(copy) == tmp_path / "author"


def test_another_file_beside_the_ledger_has_its_losses_beside_it(copy: Path) -> None:
    other = copy.with_name("other.yaml")
    other.write_text(STUDY)
    assert folder_of_modules(other) == copy.parent
