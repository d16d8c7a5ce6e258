"""study list"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from study.cli.output import AsJson, HeadUrl, console, print_json

if TYPE_CHECKING:
    from study.records.ledger import Ledger


def list_studies(address: HeadUrl = None, as_json: AsJson = False) -> None:
    """Every study in the studies' home (STUDY_HOME, or ./studies).

    Trials to go wait, run or were interrupted, and the file last launched asks for them; a search that learns has more
    to come. In JSON, `ended` counts those that are done, `to_go` these.

    `last` says when a trial last began or ended, in seconds since 1970, and `last_at` says it in UTC (ISO
    8601); both are null before that.

    Example: study list --json
    """
    rows, where = _rows() if address is None else _rows_there(address)
    if as_json:
        print_json(rows)
        return
    if not rows:
        console.print(f"No study in {where}. Start one: study launch quickstart")
        return
    table = Table("study", "trials", "done", "to go", "running", "confirmed", "on disk", "last epoch")
    for row in rows:
        if "problem" in row:
            table.add_row(row["study"], f"[red]{row['problem']}[/]")
            continue
        last = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["last"])) if row["last"] else ""
        told = ["yes" if row[what] else "" for what in ("running", "confirmed")]
        counts = [str(row[what]) for what in ("trials", "ended", "to_go")]
        table.add_row(row["study"], *counts, *told, f"{row['bytes'] / 1e6:.1f} MB", last)
    console.print(table)


def _rows_there(address: str) -> tuple[list[dict[str, Any]], str]:
    """What the head of a cluster lists, and where that is."""
    from study.remote.client import Cluster
    from study.remote.jobs import ask

    cluster = Cluster(address)
    return ask(cluster, "list", "--json").json(), cluster.address


def _rows() -> tuple[list[dict[str, Any]], str]:
    """The studies of this machine's home, and where that is."""
    from study.errors import StudyError
    from study.records.ledger import Ledger
    from study.records.lock import is_held
    from study.records.paths import Home

    home = Home.current()
    rows: list[dict[str, Any]] = []
    for name in home.names():
        paths = home.study(name)
        try:
            with Ledger(paths.ledger) as ledger:
                counts = ledger.counts()
                rows.append(
                    {
                        "study": name,
                        "running": is_held(paths.lock),
                        **counts,
                        "to_go": _to_go(ledger),
                        "last_at": _iso(counts["last"]),
                        "confirmed": _is_confirmed(ledger, name),
                        "bytes": _size(paths.root),
                    }
                )
        except StudyError as problem:
            rows.append({"study": name, "problem": str(problem)})
    return rows, str(home.root)


def _to_go(ledger: Ledger) -> int:
    """How many trials in scope wait, run, or were interrupted."""
    from study.records.states import UNFINISHED, WAITING

    begun = ledger.progress()
    states = (begun[key][1] if key in begun else WAITING for key in ledger.trials_in_scope())
    return sum(state in UNFINISHED for state in states)


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _is_confirmed(ledger: Ledger, name: str) -> bool:
    """Whether every trial of a confirmation has ended, and it still counts for all that the search has."""
    from study.records import states
    from study.records.ledger import CONFIRM
    from study.results.confirmed import confirmations

    counts = ledger.cell_counts(0)  # a confirmation's cells say themselves how many repeats they have
    found = [counts.get(key, Counter()) for key, _ in ledger.cells(phase=CONFIRM)]
    if not found or not all(cell and set(cell) <= set(states.ENDED) for cell in found):
        return False
    results = confirmations(ledger, name)
    current = {cell.facts["search_cell"] for cell in results.cells}
    return all(cell.key in current for cell in results.searched if cell.best)


def _size(folder: Path) -> int:
    """Bytes of all files below a folder, of which a launch may delete some meanwhile."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total
