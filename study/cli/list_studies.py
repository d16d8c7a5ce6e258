"""study list"""

from __future__ import annotations

import time
from typing import Any

from rich.table import Table

from study.cli.output import AsJson, console, print_json


def list_studies(as_json: AsJson = False) -> None:
    """Every study in the studies' home (STUDY_HOME, or ./studies).

    Example: study list --json
    """
    from study.errors import StudyError
    from study.ledger import Ledger
    from study.lock import is_held
    from study.paths import Home

    home = Home.current()
    rows: list[dict[str, Any]] = []
    for name in home.names():
        paths = home.study(name)
        try:
            with Ledger(paths.ledger) as ledger:
                rows.append({"study": name, "running": is_held(paths.lock), **ledger.counts()})
        except StudyError as problem:
            rows.append({"study": name, "problem": str(problem)})
    if as_json:
        print_json(rows)
        return
    if not rows:
        console.print(f"No study in {home.root}. Start one: study launch quickstart")
        return
    table = Table("study", "trials", "done", "running", "last report")
    for row in rows:
        if "problem" in row:
            table.add_row(row["study"], f"[red]{row['problem']}[/]")
            continue
        last = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["last"])) if row["last"] else ""
        table.add_row(row["study"], str(row["trials"]), str(row["ended"]), "yes" if row["running"] else "", last)
    console.print(table)
