"""study doctor"""

from __future__ import annotations

import typer

from study.cli.output import AsJson, console, print_json

COLOURS = {"ok": "green", "note": "yellow", "bad": "red"}


def doctor(as_json: AsJson = False) -> None:
    """Check that this machine can run a study; ends with 1 where it cannot.

    Example: study doctor
    """
    from study.records.paths import Home
    from study.upkeep.checkup import examine

    findings = examine(Home.current())
    if as_json:
        print_json([finding.__dict__ for finding in findings])
    else:
        for finding in findings:
            console.print(f"[{COLOURS[finding.verdict]}]{finding.verdict:>4}[/]  {finding.what:<16} {finding.said}")
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(1)
