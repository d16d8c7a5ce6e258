"""The files of a report: a page that needs nothing else, Markdown that leads to its figures, whole or not at all."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from study.errors import StudyError
from study.planning.smoke import MEANINGLESS
from study.report import make
from study.report.document import Bold, Document, Section, Table
from study.report.make import write_report
from study.report.markdown import markdown
from study.report.page import LARGEST_SVG, inline_svg
from tests.study.report.conftest import Reporter

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """What a browser would fetch, and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name == "style":
                self.addresses += re.findall(r"url\(([^)]*)\)", value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: Path) -> Page:
    parsed = Page()
    parsed.feed(page.read_text(encoding="utf-8"))
    return parsed


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels enough for a test."""
    monkeypatch.setattr(make, "DPI", 30)


def test_the_page_opens_offline_and_all_its_links_lead_into_itself(reporter: Reporter) -> None:
    reporter.launch(families=["ce", "tce"], search__repeats=2)
    page = write_report(reporter.home, reporter.paths)
    assert page == reporter.paths.report / "report.html"
    parsed = read(page)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.addresses
    assert {address.removeprefix("#") for address in parsed.addresses} <= set(parsed.ids)
    assert "script" not in parsed.tags
    assert "link" not in parsed.tags
    text = page.read_text()
    assert "@import" not in text
    assert "http" not in text.lower()
    for words in ("prefers-color-scheme: dark", "@media print", 'name="viewport"'):
        assert words in text


def test_what_a_user_wrote_is_text_and_no_markup(reporter: Reporter) -> None:
    reporter.launch(families=["ce"], noise__rate=0.0, description="<script>alert(1)</script> & 50 %")
    page = write_report(reporter.home, reporter.paths)
    assert "script" not in read(page).tags
    assert "&lt;script&gt;" in page.read_text()


def test_a_smoke_run_says_on_top_and_in_its_answer_that_its_numbers_mean_nothing(reporter: Reporter) -> None:
    reporter.launch(description=f"{MEANINGLESS} All losses.", noise__rate=0.0, confirm=2)
    page = write_report(reporter.home, reporter.paths)
    html, text = page.read_text(), page.with_name("report.md").read_text()
    assert 0 < html.index('class="banner"') < html.index("All losses.") < html.index("The answer")
    assert f"> **{make.BANNER}**" in text
    for said in (html, text):
        assert "numbers of a smoke run" in said
        assert "confirmed test scores: the configs" not in said


def test_other_studies_have_no_banner(reporter: Reporter) -> None:
    reporter.launch(description="All losses.", noise__rate=0.0)
    page = write_report(reporter.home, reporter.paths).read_text()
    assert 'class="banner"' not in page
    assert "smoke" not in page


def test_tables_and_figures_lie_beside_the_page_and_markdown_leads_to_them(reporter: Reporter) -> None:
    reporter.launch(families=["ce", "tce"], noise__rate=0.0, search__repeats=2)
    folder = write_report(reporter.home, reporter.paths).parent
    assert sorted(path.name for path in folder.iterdir()) == ["figures", "report.html", "report.md", "tables"]
    text = (folder / "report.md").read_text()
    linked = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert linked
    assert all((folder / link).is_file() for link in linked)
    names = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert names == {path.stem for path in (folder / "figures").glob("*.png")} == {Path(link).stem for link in linked}
    for line in re.findall(r"^\|.*$", text, flags=re.MULTILINE):
        assert re.fullmatch(r"\|( .* \|)+", line)


def test_special_characters_are_printed_in_markdown() -> None:
    row: tuple[Bold | str, ...] = ("tce_0.5 & co", Bold("50 % ± 1"), "−3 ~ $x^2$ \\ {y} | <z>")
    said = markdown(Document("a_b", "", "", (Section("S", (Table("t", "A", "lrl", ("a", "b", "c"), (row,)),)),)))
    assert "| tce\\_0.5 & co | **50 % ± 1** |" in said
    assert "\\|" in said


def test_figures_in_a_page_take_its_colours_and_share_no_ids() -> None:
    svg = (
        '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<metadata>about</metadata><path style="fill: #ffffff"/><defs><path id="m1"/></defs>'
        '<g id="figure_1"><use xlink:href="#m1" style="stroke: #1c1e21; clip-path: url(#m1)"/></g></svg>'
    )
    drawn = inline_svg(svg, "one", "A & B")
    assert "http" not in drawn
    assert "about" not in drawn
    assert 'id="one-m1"' in drawn
    assert 'xlink:href="#one-m1"' in drawn
    assert "url(#one-m1)" in drawn
    assert "figure_1" not in drawn
    assert "currentColor" in drawn
    assert 'aria-label="A &amp; B"' in drawn


def test_a_figure_that_would_be_large_stands_in_the_page_as_png(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from study.report import page

    assert LARGEST_SVG > 100_000
    monkeypatch.setattr(page, "LARGEST_SVG", 10)
    reporter.launch(families=["ce"], noise__rate=0.0)
    parsed = read(write_report(reporter.home, reporter.paths))
    assert "svg" not in parsed.tags
    assert any(address.startswith("data:image/png;base64,") for address in parsed.addresses)


def test_a_report_replaces_an_older_one_and_leaves_nothing_else(reporter: Reporter, tmp_path: Path) -> None:
    small: dict[str, Any] = {"families": ["ce", "mse"], "search__repeats": 2}
    reporter.launch(**small)
    out = tmp_path / "some" / "where"
    write_report(reporter.home, reporter.paths, out)
    assert (out / "tables" / "tests-digits-uniform-0.4-mlp-hidden-8.tex").is_file()
    reporter.launch(**small, noise__rate=0.0)
    write_report(reporter.home, reporter.paths, out)
    assert not (out / "tables" / "tests-digits-uniform-0.4-mlp-hidden-8.tex").exists()
    assert os.listdir(out.parent) == ["where"]


@pytest.mark.parametrize("older", [True, False])
def test_where_a_link_is_named_the_report_is_written_where_it_leads(
    reporter: Reporter, tmp_path: Path, older: bool
) -> None:
    small: dict[str, Any] = {"families": ["ce", "mse"], "search__repeats": 2}
    reporter.launch(**small)
    (tmp_path / "away").mkdir()
    target, link = tmp_path / "away" / "target", tmp_path / "link"
    link.symlink_to(target)
    if older:
        write_report(reporter.home, reporter.paths, target)
    reporter.launch(**small, noise__rate=0.0)
    page = write_report(reporter.home, reporter.paths, link)
    assert (page, link.readlink()) == (link / "report.html", target)
    assert not (target / "tables" / "tests-digits-uniform-0.4-mlp-hidden-8.tex").exists()
    assert (target / "report.html").samefile(page)
    assert sorted(os.listdir(tmp_path)) == ["away", "home", "link"]
    assert os.listdir(tmp_path / "away") == ["target"]


def test_a_report_that_fails_halfway_leaves_the_older_one(
    reporter: Reporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter.launch(families=["ce"], noise__rate=0.0)
    page = write_report(reporter.home, reporter.paths, tmp_path / "out")
    before = page.read_bytes()
    original = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "report.md":
            raise OSError(28, "No space left on device")
        return original(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StudyError, match=r"out: cannot be written: No space left on device; choose another --out"):
        write_report(reporter.home, reporter.paths, tmp_path / "out")
    assert page.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]


def test_an_empty_folder_is_taken_and_a_foreign_one_is_not(reporter: Reporter, tmp_path: Path) -> None:
    reporter.launch(families=["ce"], noise__rate=0.0)
    empty, foreign, file, other = (tmp_path / name for name in ("empty", "foreign", "file", "other"))
    for folder in (empty, foreign, other):
        folder.mkdir()
    assert write_report(reporter.home, reporter.paths, empty).is_file()
    (foreign / "thesis.tex").write_text("dear")
    (other / "report.html").write_text("<p>mine</p>")
    file.write_text("")
    for out, said in (
        (foreign, r"foreign: holds thesis.tex, and a report takes a folder of its own; choose another --out"),
        (other, "that 'study report' did not write"),
        (file, "is a file, not a folder"),
    ):
        with pytest.raises(StudyError, match=said):
            write_report(reporter.home, reporter.paths, out)
    (empty / "notes.txt").write_text("kept")
    with pytest.raises(StudyError, match=r"holds notes.txt"):
        write_report(reporter.home, reporter.paths, empty)
    assert (foreign / "thesis.tex").read_text() == "dear"
    assert (other / "report.html").read_text() == "<p>mine</p>"
    assert (empty / "notes.txt").read_text() == "kept"


def test_the_page_is_named_without_steps_back(reporter: Reporter, tmp_path: Path) -> None:
    reporter.launch(families=["ce"], search__repeats=1, noise__rate=0.0)
    (tmp_path / "sub").mkdir()
    page = write_report(reporter.home, reporter.paths, tmp_path / "sub" / ".." / "x")
    assert page == tmp_path.resolve() / "x" / "report.html"
    assert page.is_file()


def test_a_folder_below_a_file_cannot_be_written(reporter: Reporter, tmp_path: Path) -> None:
    reporter.launch(families=["ce"], noise__rate=0.0)
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match=r"cannot be (written|read): .*; choose another --out"):
        write_report(reporter.home, reporter.paths, tmp_path / "file" / "out")


def test_nothing_is_written_of_a_study_that_has_nothing(reporter: Reporter, tmp_path: Path) -> None:
    reporter.worker.mishap = lambda todo, epoch: "diverged"
    reporter.launch(families=["ce"])
    with pytest.raises(StudyError, match="no completed trial to report"):
        write_report(reporter.home, reporter.paths, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_study_gives_the_same_files(
    reporter: Reporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make.time, "strftime", lambda *given: "now")
    reporter.launch(families=["ce"], noise__rate=0.0)
    contents = []
    for name in ("a", "b"):
        folder = write_report(reporter.home, reporter.paths, tmp_path / name).parent
        contents.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert contents[0] == contents[1]


def test_the_command_names_the_page_and_its_mistakes_are_one_line(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import json
    import sys

    from study.cli import main

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["study", "report", *words])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    monkeypatch.setenv("STUDY_HOME", str(reporter.home.root))
    reporter.launch(families=["ce"], noise__rate=0.0)
    code, out, _ = run("small")
    assert (code, out.strip()) == (0, str(reporter.paths.report / "report.html"))
    code, out, _ = run("small", "--json")
    assert json.loads(out)["report"] == str(reporter.paths.report / "report.html")
    code, _, err = run("smal")
    assert code == 2
    assert err.startswith("error: unknown study 'smal'; did you mean 'small'")
    code, _, err = run("small", "--baseline", "tce")
    assert code == 2
    assert err.count("\n") == 1
