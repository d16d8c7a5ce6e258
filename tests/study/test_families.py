"""The command that lists the families, and the README's table made by it."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from search_spaces import space_names
from study.cli import app
from study.cli import families as command
from tests.study.commands import run
from trainables.losses import FAMILIES, get_family
from trainables.own import source_digest

README = Path(__file__).parents[2] / "README.md"
OWN = """\
import time

import torch.nn.functional as F
from trainables.losses.base import Loss


class Tempered(Loss):
    \"\"\"Cross entropy of softened logits.\"\"\"

    neutral = {"temperature": 1.0}

    def __init__(self, num_classes, temperature=2.0):
        super().__init__(num_classes)
        self.hyperparameter("temperature", temperature)

    def per_sample(self, logits, targets, indices):
        return F.cross_entropy(logits / self.temperature, targets, reduction="none")


class Backwards(Tempered):
    def per_sample(self, logits, targets, indices):
        return super().per_sample(logits.detach(), targets, indices)


class Fixed(Loss):
    neutral = {"scale": 7.0}

    def __init__(self, num_classes, scale=1.0):
        super().__init__(num_classes)
        self.scale = scale  # not a buffer: lanes would share the first one's

    def per_sample(self, logits, targets, indices):
        return self.scale * F.cross_entropy(logits, targets, reduction="none")


class Branching(Tempered):
    def per_sample(self, logits, targets, indices):
        losses = super().per_sample(logits, targets, indices)
        return losses if float(losses.detach().mean()) > 1 else 2 * losses


class Undescribed(Tempered):
    def __init__(self, num_classes, weight=None):
        super().__init__(num_classes)

class Raises(Tempered):
    def per_sample(self, logits, targets, indices):
        raise RuntimeError("no such thing\\nand more of it")


class Hangs(Tempered):
    def per_sample(self, logits, targets, indices):
        while True:
            try:
                time.sleep(60)
            except Exception:
                pass
"""


def families(*arguments: str, expect: int = 0) -> str:
    done = CliRunner().invoke(app, ["families", *arguments])
    assert done.exit_code == expect, done.output
    return done.output


def test_every_family_is_listed_with_ranges_and_paper() -> None:
    rows = json.loads(families("--json"))
    assert [row["family"] for row in rows] == list(FAMILIES)
    assert rows[6]["hyperparameters"]["alpha"]["range"] == "[0, 1000]"
    assert all(row["paper"] and row["formula"] for row in rows)


def test_the_readmes_table_is_the_commands() -> None:
    assert families("--markdown").strip() in README.read_text(encoding="utf-8"), "paste: study families --markdown"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_shows_its_space_and_properties_and_is_drawn(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / f"{family}.png"
    facts: dict[str, Any] = json.loads(families(family, "--draw", str(picture), "--json"))
    assert picture.stat().st_size > 10_000
    assert family in space_names()
    assert (facts["symmetric"], facts["bounded"]) == {
        "mae": (True, True), "nce_rce": (True, True), "nce_mae": (True, True), "mse": (False, True),
        "gce": (False, True), "taylor_ce": (False, True), "js": (False, True), "simloss": (False, True),
    }.get(family, (False, False))  # fmt: skip


def test_a_loss_of_ones_own_is_shown_and_checked_as_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "losses_of_mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    facts = json.loads(families("losses_of_mine:Tempered", "--check", "--draw", "mine.svg", "--json"))
    assert facts["hyperparameters"] == {"temperature": {"range": "(-inf, inf)", "default": 2.0, "meaning": ""}}
    assert facts["failures"] == []
    assert Path("mine.svg").is_file()
    for name, gists in {"Backwards": ("grad",), "Fixed": ("lane 1", "neutral"), "Branching": ("compiled",)}.items():
        failures = json.loads(families(f"losses_of_mine:{name}", "--check", "--json", expect=1))["failures"]
        for gist in gists:
            assert any(gist in failure for failure in failures), failures
    with pytest.raises(ValueError, match="say what weight is"):
        get_family("losses_of_mine:Undescribed")


def test_a_loss_that_raises_is_a_line_that_names_it_and_what_it_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "losses_that_raise.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    said = run("families", "losses_that_raise:Raises")
    (line,) = said.err.splitlines()
    assert said.code == 2
    assert "losses_that_raise:Raises raises RuntimeError: no such thing; " in line
    assert "families losses_that_raise:Raises --check' says more" in line
    assert run("families", "losses_that_raise:Raises", "--check").code == 1


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["shown", "checked"])
def test_a_loss_that_hangs_is_a_line_that_names_it(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "losses_that_hang.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    for limit in ("LIMIT_S", "CHECK_LIMIT_S"):
        monkeypatch.setattr(command, limit, 1.0)
    said = run("families", "losses_that_hang:Hangs", *options)
    (line,) = said.err.splitlines()
    assert said.code == 2
    assert "losses_that_hang:Hangs: not done after 1 s, so it is taken to hang" in line


def test_the_digest_of_a_loss_is_that_of_all_it_imports_from_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "helps_it.py").write_text("K = 1\n")
    (tmp_path / "with_help.py").write_text("from helps_it import K\n" + OWN)
    monkeypatch.syspath_prepend(tmp_path)
    before = source_digest("with_help:Tempered")
    (tmp_path / "unrelated.py").write_text("K = 1\n")
    assert source_digest("with_help:Tempered") == before
    (tmp_path / "helps_it.py").write_text("K = 2\n")
    assert source_digest("with_help:Tempered") != before


IMPORTS_THE_WORLD = "import torch, installed_thing, hidden_thing, study, trainables.own, compiled_thing\n" + OWN


@pytest.mark.parametrize("module", ["beside_all", "no_init.inside"])
def test_the_digest_of_a_loss_is_of_its_users_own_files_wherever_they_lie(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {
        "environment/lib": "installed_thing.py", ".hidden": "hidden_thing.py", "": "compiled_thing.py",
        "loss-study/study": "__init__.py", "loss-study/trainables": "own.py",
    }  # fmt: skip
    for folder, name in places.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_text("A = 1\n")
    (tmp_path / "environment/pyvenv.cfg").touch()
    file = tmp_path / f"{module.replace('.', '/')}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(IMPORTS_THE_WORLD)
    for folder in ("environment/lib", ".hidden", ""):
        monkeypatch.syspath_prepend(tmp_path / folder)
    digest = source_digest(f"{module}:Tempered")
    compiled = tmp_path / "compiled_thing.so"
    compiled.write_bytes(b"\0not Python")
    monkeypatch.setattr(sys.modules["compiled_thing"], "__file__", str(compiled))
    for name, held in (("study", "study/__init__.py"), ("trainables.own", "trainables/own.py")):
        monkeypatch.setattr(sys.modules[name], "__file__", str(tmp_path / "loss-study" / held))
    alone = hashlib.sha256(f"{module}\0{IMPORTS_THE_WORLD}".encode()).hexdigest()[:16]
    assert source_digest(f"{module}:Tempered") == alone
    assert (digest == alone) == (module == "no_init.inside"), "compiled_thing.py lay beside it"


def test_a_helper_that_has_become_unreadable_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "breaks_later.py").write_text("K = 1\n")
    (tmp_path / "leans_on_it.py").write_text("from breaks_later import K\n" + OWN)
    monkeypatch.syspath_prepend(tmp_path)
    source_digest("leans_on_it:Tempered")
    for text in ("def (:\n", "\0"):
        (tmp_path / "breaks_later.py").write_text(text)
        with pytest.raises(ValueError, match=r"later\.py: cannot be read as Python: .*; mend") as refused:
            source_digest("leans_on_it:Tempered")
        assert "\n" not in str(refused.value)
