"""The README and the documents: their links lead somewhere, and they name what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import typer.main

from study.cli import app
from study.records.ledger_file import MIGRATIONS
from study.running.stop import SIGNALS
from study.spec import AshaSpec, MedianSpec, SearchSpec
from study.spec.search import NoSchedulerSpec

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("benchmarks/*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(document: Path) -> set[str]:
    """The headings of a document, as the places that links name."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_resolves(document: Path) -> None:
    links = [link for link in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]
    for link in links:
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{document.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{document.name} links to {link}"


def test_the_readme_links_every_document() -> None:
    linked = {link.partition("#")[0] for link in LINK.findall(README.read_text(encoding="utf-8"))}
    assert {f"docs/{path.name}" for path in ROOT.glob("docs/*.md")} <= linked


def test_the_readme_names_every_command() -> None:
    section = README.read_text(encoding="utf-8").partition("\n## Commands\n")[2].partition("\n\nEach has")[0]
    assert set(re.findall(r"`(\w+)`", section)) == set(typer.main.get_command(app).commands)


def test_every_table_of_the_ledger_is_described() -> None:
    tables = set(re.findall(r"CREATE TABLE (\w+)", "".join(MIGRATIONS)))
    described = (ROOT / "docs" / "on-disk.md").read_text(encoding="utf-8").partition("\n## The ledger\n")[2]
    assert tables == set(re.findall(r"^\| `(\w+)` \|", described.partition("\n## ")[0], flags=re.MULTILINE))


SCHEDULERS = {"asha": AshaSpec, "median": MedianSpec, "none": NoSchedulerSpec}


def scheduler_keys() -> dict[str, dict[str, str]]:
    """Each scheduler's keys with their defaults, as the page on the study file tells them."""
    section = (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8").partition("\n## Early stopping\n")[2]
    table = re.findall(r"^\|(.*)\|$", section.partition("\n## ")[0], flags=re.MULTILINE)
    told: dict[str, dict[str, str]] = {}
    named: list[str] = []
    for row in table[2:]:
        names, key, _, default = (cell.strip(" `") for cell in row.split("|"))
        named = re.findall(r"\w+", names) or named
        for name in named:
            told.setdefault(name, {}).update({key: default} if key else {})
    return told


def test_every_key_of_every_scheduler_is_described_with_its_default() -> None:
    assert scheduler_keys() == {
        name: {key: str(field.default) for key, field in model.model_fields.items() if key != "name"}
        for name, model in SCHEDULERS.items()
    }


def test_the_readme_names_every_way_to_search_and_to_stop_early() -> None:
    section = README.read_text(encoding="utf-8").partition("search by ")[2].partition("([docs/study-file.md]")[0]
    searches = get_args(SearchSpec.model_fields["name"].annotation)
    assert re.findall(r"`(\w+)`", section) == [*searches, *SCHEDULERS]


def test_every_signal_that_ends_a_launch_is_described() -> None:
    page = (ROOT / "docs" / "interruptions.md").read_text(encoding="utf-8")
    assert {f"`{number.name}`" for number in SIGNALS} <= set(re.findall(r"`SIG\w+`", page))
