"""Writes a report: the page, Markdown, tables and figures, whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
import time
from pathlib import Path

from study.errors import StudyError
from study.records.paths import Home, StudyPaths
from study.report.document import Document
from study.report.gather import gather
from study.report.latex import latex
from study.report.markdown import markdown
from study.report.page import GENERATOR, page

PAGE, TEXT, TABLES, FIGURES = "report.html", "report.md", "tables", "figures"
DPI = 150
BANNER = (
    "Smoke run: its numbers mean nothing. A few images, two epochs and the smallest networks show that the study "
    "works, no more."
)


def write_report(home: Home, paths: StudyPaths, out: Path | None = None, *, baseline: str | None = None) -> Path:
    """Write the report of a study into the folder `out`, by default its own, and return the page's path.

    An older report there is replaced; where `out` is a link, the one that it leads to. StudyError where there is
    nothing to report, and where `out` cannot be written or holds anything else.
    """
    import matplotlib

    from study.report.look import SETTINGS
    from study.report.parts import PARTS
    from study.report.parts.runs import runs_csv

    folder = (out or paths.report).expanduser().absolute()
    folder = folder.resolve() if ".." in folder.parts else folder
    _check(folder)
    with matplotlib.rc_context(SETTINGS):
        material = gather(home, paths, baseline=baseline)
        sections = tuple(section for part in PARTS if (section := part(material)) is not None)
        written = f"written {time.strftime('%Y-%m-%d %H:%M')}"
        document = Document(material.name, material.description, written, sections, BANNER * material.smoke)
        contents = _contents(document)
        if (listed := runs_csv(material)) is not None:
            contents[f"{TABLES}/runs.csv"] = listed.encode()
        _replace(folder, contents)
    return folder / PAGE


def _contents(document: Document) -> dict[str, bytes]:
    """Every file by its path in the report's folder."""
    from study.report.labels import wrap_titles  # brings matplotlib

    files, svgs, pngs = {}, {}, {}
    for picture in document.pictures:
        svg, png = io.StringIO(), io.BytesIO()
        wrap_titles(picture.figure)
        picture.figure.savefig(svg, format="svg", metadata={"Date": None}, dpi=DPI)
        picture.figure.savefig(png, format="png", dpi=DPI)
        svgs[picture.name], pngs[picture.name] = svg.getvalue(), png.getvalue()
        files[f"{FIGURES}/{picture.name}.svg"] = svgs[picture.name].encode()
        files[f"{FIGURES}/{picture.name}.png"] = pngs[picture.name]
    for table in document.tables:
        files[f"{TABLES}/{table.name}.tex"] = latex(table).encode()
    files[TEXT] = markdown(document).encode()
    files[PAGE] = page(document, svgs, pngs).encode()
    return files


def _check(folder: Path) -> None:
    """StudyError unless there is nothing at `folder`, or an empty folder, or a report of ours and nothing else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StudyError(f"{folder}: is a file, not a folder for a report; choose another --out")
    if not os.access(folder, os.W_OK):  # it could be replaced all the same, against its owner's will
        raise StudyError(f"{folder}: is write-protected; choose another --out")
    try:
        foreign = sorted({path.name for path in folder.iterdir()} - {PAGE, TEXT, TABLES, FIGURES})
        ours = not any(folder.iterdir()) or _is_ours(folder / PAGE)
    except OSError as problem:
        raise StudyError(f"{folder}: cannot be read: {problem.strerror}; choose another --out") from None
    if foreign or not ours:
        what = f"holds {foreign[0]}" if foreign else "holds a report.html that 'study report' did not write"
        raise StudyError(f"{folder}: {what}, and a report takes a folder of its own; choose another --out")


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return f'<meta name="generator" content="{GENERATOR}">' in file.read(2000)


def _replace(folder: Path, contents: dict[str, bytes]) -> None:
    """Put a folder with these files in the place of `folder`, or of what it links to."""
    folder = Path(os.path.realpath(folder)) if folder.is_symlink() else folder
    draft, former = (folder.with_name(f".{folder.name}.{what}-{os.getpid()}") for what in ("draft", "former"))
    try:
        for name, data in contents.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if folder.exists():
            folder.rename(former)
        draft.rename(folder)
    except OSError as problem:
        if former.exists() and not folder.exists():
            former.rename(folder)
        raise StudyError(f"{folder}: cannot be written: {problem.strerror}; choose another --out") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)
