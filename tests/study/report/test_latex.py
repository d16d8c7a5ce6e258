"""Tables as LaTeX: whole, escaped, and compiled where a LaTeX is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from study.report import write_report
from study.report.document import Bold, Entry, Table
from study.report.latex import ACCENTS, SPECIAL, escape, latex
from tests.study.report.conftest import Reporter

PAPER = {"source": "A & B_2, 5 % of #1", "numbers": [{"family": "ce", "value": 50.0}]}
HARD = (
    "a_b", "50 %", "x & y", "#1", "$x$", "{y}", "~t", "x^2", "\\z", "η=0.4", "≤ 3", "[0.1, 0.2]", "* star", "--top",
    "Žluť é", "中", "\x07", "a\nb", '"q" `t`', "<a|b>", "".join(SPECIAL), *(f"e{accent}" for accent in ACCENTS),
)  # fmt: skip
PDFLATEX = shutil.which("pdflatex")


def hard_table() -> Table:
    rows: tuple[tuple[Entry, ...], ...] = tuple((text, Bold(text)) for text in HARD)
    return Table("hard_a.b-c", "Hard: a_b", "lr", ("[first_", "*se%cond"), rows, "100 % {of} \\it.")


def check_latex(text: str) -> None:
    remark, body = text.split("\n", 1)
    assert remark.startswith("% ")
    assert body.isascii()
    assert body.isprintable() or set(re.sub(r"[ -~]", "", body)) == {"\n"}
    plain = re.sub(r"\\[\\{}&%$#_]", "", body)
    depth = 0
    for brace in re.findall(r"[{}]", plain):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert plain.count("$") % 2 == 0
    begun, ended = re.findall(r"\\begin{(\w+)}", body), re.findall(r"\\end{(\w+)}", body)
    assert begun == ended[::-1] == ["table", "tabular"]
    (align,) = re.findall(r"\\begin{tabular}{([lr]+)}", body)
    rows = [line for line in body.splitlines() if line.endswith(r" \\")]
    assert rows
    for row in rows:
        assert len(re.findall(r"(?<!\\)&", row)) == len(align) - 1
        assert row[0] not in "[*"  # which would belong to the row before
        assert not re.search(r"(?<!\\)[%#_]", row)
        assert not re.search(r"(?<!\\)[~^]", re.sub(r"\$\^[^$]*\$", "", row))
    (caption,) = re.findall(r"^\\caption{(.*)}$", body, flags=re.MULTILINE)
    assert not re.search(r"(?<!\\)[&%#_]", caption)


def test_every_table_of_a_report_is_whole_latex(reporter: Reporter) -> None:
    reporter.launch(families=["ce", "mse"], paper=PAPER, search__repeats=2)
    files = sorted((write_report(reporter.home, reporter.paths).parent / "tables").glob("*.tex"))
    assert len(files) > 5
    for file in files:
        check_latex(file.read_text())


def test_a_table_of_special_characters_is_whole_latex() -> None:
    check_latex(latex(hard_table()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tce_0.5 & co", r"tce\_0.5 \& co"),
        ("50 % ± 1", r"50 \% $\pm$ 1"),
        ("−3 ~ $x^2$ \\ {y} | <z>", r"$-$3 \textasciitilde{} \$x\textasciicircum{}2\$ \textbackslash{} \{y\} "
         r"\textbar{} \textless{}z\textgreater{}"),
        ("η=0.4, #1 ≤ 2", r"$\eta$=0.4, \#1 $\leq$ 2"),
        ("--top K, a-b", r"-{}-top K, a-b"),
        ("[1] *", "{[}1] {*}"),
        ("naïve Škoda", r"na\"{i}ve \v {S}koda"),
        ("中\x07", "{[}U+4E2D]{[}U+0007]"),
        ("n\u00a0=\u00a03\n", "n = 3"),
    ],
)  # fmt: skip
def test_special_characters_are_printed_as_they_are(text: str, said: str) -> None:
    assert escape(text) == said


@pytest.mark.skipif(
    PDFLATEX is None, reason="pdflatex is not installed (Debian: apt install texlive-latex-recommended)"
)
def test_a_paper_with_the_packages_that_are_named_compiles_and_no_table_leaves_its_page(
    reporter: Reporter, tmp_path: Path
) -> None:
    reporter.launch(families=["ce", "mse"], paper=PAPER, search__repeats=2)
    files = sorted((write_report(reporter.home, reporter.paths).parent / "tables").glob("*.tex"))
    (tmp_path / "hard.tex").write_text(latex(hard_table()))
    (named,) = {line.partition("Needs ")[2].rstrip(".") for line in [files[0].read_text().splitlines()[0]]}
    tables = "\n".join(rf"\input{{{file}}}\clearpage" for file in [*files, tmp_path / "hard.tex"])
    (tmp_path / "paper.tex").write_text(
        f"\\documentclass{{article}}\n{named}\n\\begin{{document}}\n{tables}\n\\end{{document}}\n"
    )
    done = subprocess.run(
        [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"], cwd=tmp_path,
        capture_output=True, text=True, errors="replace", timeout=120, check=False,
    )  # fmt: skip
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert done.returncode == 0, log[-3000:]
    assert re.search(rf"Output written on paper\.pdf \({len(files) + 1} pages", log)
    for complaint in ("Overfull \\hbox", "Float too large", "Missing character", "LaTeX Error"):
        assert complaint not in log
