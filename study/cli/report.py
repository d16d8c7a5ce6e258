"""study report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.cli.output import AsJson, StudyName, console, print_json


def report(
    name: StudyName,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to; default: report/ in its folder.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="FAMILY", help="What the others are tested against; default ce.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a page that opens offline: comparison, figures, what ran; tables in Markdown and LaTeX beside it.

    Example: study report quickstart --out reports/quickstart
    """
    from study.records.paths import Home
    from study.report.make import write_report
    from study.tracking.mlflow_report import show_report

    home = Home.current()
    paths = home.existing(name)
    page = write_report(home, paths, out, baseline=baseline)
    problem = show_report(home, paths, page)
    if as_json:
        files = sorted(str(path) for path in page.parent.rglob("*") if path.is_file())
        print_json({"study": name, "report": str(page), "files": files, "tracking": {"problem": problem}})
    else:
        if problem:
            console.print(f"[yellow]{problem}[/]; the report is whole without it")
        console.print(str(page))
