"""Reports of studies that trained nothing: a worker says what a real one would."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from study.cli import main
from study.records.ledger import Ledger
from study.records.paths import Home, StudyPaths
from study.report import make
from study.report.document import Document, Folded, Section, Table, entry_text
from study.report.gather import Material, gather
from study.report.look import SETTINGS
from study.report.parts import PARTS
from tests.study.conftest import ASHA, Driver, SpecMaker, Todo, Worker

Command = Callable[..., tuple[int, str, str]]
CLEAN, NOISY = "digits, clean, mlp hidden=8", "digits, uniform 0.4, mlp hidden=8"
GAIN = {"ce": 0.0, "mse": 0.0001, "tce": 0.05}
LOSS = {"ce": 3.0, "mse": 0.02, "tce": 1.0}
STOPPING: dict[str, Any] = {
    "families": ["ce", {"family": "tce", "space": {"alpha": {"grid": [0.5, 1.0, 1.5, 2.0]}}}],
    "noise__rate": 0.0, "search__repeats": 1, "scheduler": ASHA,
}  # fmt: skip


def by_family(todo: Todo, epoch: int) -> float:
    """Repeats differ alike for all families, but for a little of each one's own; config 0 is best."""
    family = todo.config.trial(0)["loss"]["family"]
    own = 0.01 * (-1) ** todo.repeat if family == "mse" else 0.001 * (todo.repeat % (3 if family == "tce" else 2))
    return 0.6 + GAIN[family] + 0.02 * todo.repeat + own + 0.001 * epoch - 0.01 * todo.config.number


class Talkative(Worker):
    """Reports calibration and, under noise, memorisation too; tests a family by what it gains."""

    def report(self, todo: Todo, epoch: int) -> dict[str, Any]:
        found = super().report(todo, epoch)
        if todo.config.trial(todo.repeat)["noise"].get("rate"):
            found |= {"train_memorised": 0.1 + 0.01 * epoch, "train_still_true": 0.8 - 0.01 * epoch}
        found["train_loss"] = LOSS.get(todo.config.trial(todo.repeat)["loss"]["family"], 1.0) / epoch
        return found | {"val_ece_clean": 0.05, "val_ece_scaled_clean": 0.02, "val_temperature_clean": 1.5}

    def tested(self, todo: Todo) -> dict[str, Any]:
        trial = todo.config.trial(todo.repeat)
        sizes = {"num_train": 1150, "num_val": 250}
        if "confirm" not in trial:
            return sizes
        return sizes | {
            "num_test": 400,
            "test": {"epoch": 3, "test_accuracy": by_family(todo, 0) + 0.1, "test_ece": 0.04},
        }


@dataclass
class Reporter:
    """Launches and confirms a study in a home, and reads its report before it is written."""

    home: Home
    make_spec: SpecMaker
    cache: Path
    worker: Worker = field(default_factory=lambda: Talkative(accuracy=by_family))

    @property
    def paths(self) -> StudyPaths:
        return self.home.study("small")

    def launch(self, *, confirm: int = 0, dies_after: int | None = None, **changes: Any) -> None:
        self.paths.root.mkdir(parents=True, exist_ok=True)
        wanted = {"families": ["ce", "mse", "tce"], "search__repeats": 5, **changes}
        spec = self.make_spec(**wanted, **({"confirm": {"repeats": confirm}} if confirm else {}))
        driver = Driver(self.paths.ledger, self.cache, self.worker)
        driver.launch(spec, dies_after=dies_after)
        self.paths.study_file.write_text("name: small\n")
        if confirm:
            driver.confirm(spec)

    def gather(self, baseline: str | None = None) -> Material:
        return gather(self.home, self.paths, baseline=baseline)

    def document(self, baseline: str | None = None) -> Document:
        with matplotlib.rc_context(SETTINGS):
            material = self.gather(baseline)
            sections = tuple(section for part in PARTS if (section := part(material)) is not None)
        return Document(material.name, "", "", sections)

    def ledger(self) -> Ledger:
        return Ledger(self.paths.ledger)


@pytest.fixture
def reporter(tmp_path: Path, make_spec: SpecMaker, cache: Path) -> Reporter:
    return Reporter(Home(tmp_path / "home"), make_spec, cache)


@pytest.fixture
def tables_of() -> Callable[[Document], dict[str, Table]]:
    return lambda document: {table.name: table for table in document.tables}


def rows_of(table: Table) -> dict[str, dict[str, str]]:
    """Entries by the first column and the column's heading."""
    return {entry_text(row[0]): dict(zip(table.columns, map(entry_text, row), strict=True)) for row in table.rows}


def titles(document: Document) -> list[str]:
    """The sections, in order."""
    return [section.title for section in document.sections]


def words_of(section: Section) -> str:
    """The paragraphs of a section, those that a page folds at their end."""
    folded = [text for block in section.blocks if isinstance(block, Folded) for text in block.texts]
    return " ".join([*(block.text for block in section.blocks if hasattr(block, "text")), *folded])


def section_of(document: Document, title: str) -> Section:
    return next(section for section in document.sections if section.title == title)


@pytest.fixture
def run(reporter: Reporter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Exit code, standard output and standard error of a command."""
    monkeypatch.setenv("STUDY_HOME", str(reporter.home.root))
    monkeypatch.setattr(make, "DPI", 30)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["study", *words])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def tables(reporter: Reporter, baseline: str | None = None) -> dict[str, Any]:
    return {table.name: table for table in reporter.document(baseline).tables}


def swapped(which: str, **more: Any) -> dict[str, Any]:
    """Asymmetric noise of rates .2 and .4, unless `more` has others, that confuses two digits."""
    pair = {"m1": {"0": "1"}, "m2": {"3": "8"}}[which]
    return {"kind": "asymmetric", "rate": [0.2, 0.4], "mapping": pair, "label": which} | more
