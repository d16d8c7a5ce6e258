"""A launch and a confirmation say what has changed since a study's trials ran, and with `strict` refuse to go on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from study.errors import StudyError
from study.planning.drift import new_code
from study.planning.plan import make_plan
from study.records import environment
from study.records.environment import describe_environment
from study.records.ledger import Ledger
from study.records.paths import Home
from study.running import launch as launches
from study.spec.study_file import parse_spec
from study.spec.yaml_file import parse_document
from tests.study.conftest import Driver

LOSS = "from trainables.losses.ce import CrossEntropy\n\n\nclass Mine(CrossEntropy):\n    pass\n"
STUDY = """\
name: small
dataset: {name: digits, holdout: 0.2}
model: {name: mlp, hidden: 8}
families: ["own_loss_of_a_launch:Mine", ce]
training: {epochs: 2, optimizer: {name: sgd, lr: 0.05}}
search: {name: grid, repeats: 2}
confirm: {repeats: 1, top: 1}
tracking: {enabled: false}
"""


class Said:
    """The progress of a launch, of which only the sentences are kept."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def stage(self, text: str) -> None:
        self.sentences.append(text)


class Ran:
    """A study whose trials ran in the code of now, which may then be changed."""

    def __init__(self, root: Path, cache: Path, patch: pytest.MonkeyPatch) -> None:
        self.home, self.module, self.patch = Home(root), root / "own_loss_of_a_launch.py", patch
        self.home.cache.symlink_to(cache)
        self.home.study("small").root.mkdir()
        patch.syspath_prepend(str(root))
        patch.delitem(sys.modules, self.module.stem, raising=False)  # of another test's folder
        patch.setattr(launches, "_conduct", lambda *_: "went on")
        self.module.write_text(LOSS)
        self.document = parse_document(STUDY, str(root / "small.yaml"))
        self.spec = parse_spec(self.document)
        self.train()

    def train(self) -> None:
        record, now = Ledger.record_spec, describe_environment()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Ledger, "record_spec", lambda ledger, described, _: record(ledger, described, now))
            Driver(self.home.study("small").ledger, self.home.cache).launch(self.spec)

    def launch(self, **how: Any) -> list[str]:
        said: Any = Said()
        assert launches.launch(self.spec, self.document, self.home, said, **how) == "went on"
        return [sentence for sentence in said.sentences if "changed" in sentence]

    def confirm(self, **how: Any) -> list[str]:
        said: Any = Said()
        with self.patch.context() as patch:
            patch.setattr(launches, "replace", lambda outcome, **_: outcome)
            assert launches.confirm(self.spec, self.home, said, **how) == "went on"
        return [sentence for sentence in said.sentences if "changed" in sentence]


@pytest.fixture
def ran(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    return Ran(tmp_path, cache, monkeypatch)


def test_where_nothing_changed_nothing_is_said_or_refused(ran: Ran) -> None:
    assert ran.launch(strict=True) == []
    assert ran.confirm(strict=True) == []


def test_a_change_of_ones_own_loss_is_said_at_launch_and_refused_with_strict(ran: Ran) -> None:
    ran.module.write_text(LOSS + "\n# another text\n")
    with pytest.raises(StudyError, match="with --strict: own_loss_of_a_launch has changed: its 2 trials are new"):
        ran.launch(strict=True)
    assert ran.launch() == ["own_loss_of_a_launch has changed: its 2 trials are new"]


def test_once_the_new_trials_ran_the_change_is_no_longer_one(ran: Ran) -> None:
    ran.module.write_text(LOSS + "\n# another text\n")
    ran.train()
    assert ran.launch(strict=True) == []
    ran.module.write_text(LOSS)
    assert ran.launch(strict=True) == []  # its trials are those of before


def test_winners_of_another_text_are_said_at_confirmation_and_refused_with_strict(ran: Ran) -> None:
    ran.module.write_text(LOSS + "\n# another text\n")
    with pytest.raises(StudyError, match="own_loss_of_a_launch has changed since 2 trials of this study"):
        ran.confirm(strict=True)
    assert ran.confirm() == ["own_loss_of_a_launch has changed since 2 trials of this study"]


@pytest.mark.parametrize("file", ["study/search/random.py", "study/planning/plan.py", "search_spaces/tce.py"])
def test_a_change_of_what_proposes_and_plans_is_said_and_refused_with_strict(ran: Ran, file: str) -> None:
    source, read = Path(environment.__file__).parents[2] / file, Path.read_bytes
    ran.patch.setattr(Path, "read_bytes", lambda path: read(path) + (b"# changed" if path == source else b""))
    told = "the code that proposes and plans trials has changed since 4 trials of this study"
    assert ran.launch() == [told]
    assert ran.confirm() == [told]
    with pytest.raises(StudyError, match=f"with --strict: {told}"):
        ran.launch(strict=True)


def test_a_change_elsewhere_on_the_platform_is_none(ran: Ran) -> None:
    source, read = Path(environment.__file__).parents[2] / "study/report/gather.py", Path.read_bytes
    ran.patch.setattr(Path, "read_bytes", lambda path: read(path) + (b"# changed" if path == source else b""))
    assert ran.launch(strict=True) == []


def test_a_study_without_code_of_ones_own_does_not_read_its_ledger_for_it(ran: Ran, tmp_path: Path) -> None:
    cells = [cell for cell in make_plan(ran.spec, ran.home.cache).cells if cell.name == "ce"]
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no ledger")
    assert new_code(damaged, cells) == []
