"""What is wrong with a ledger: asked once something failed over it, for every row is looked at."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from study.records.shapes import ROWS, misfit

STRAYS = {  # rows that belong to none, by what is said of them
    "a config is of no cell": "SELECT config_key FROM configs WHERE cell_key NOT IN (SELECT cell_key FROM cells)",
    "a trial is of no config": "SELECT trial_key FROM trials WHERE config_key NOT IN (SELECT config_key FROM configs)",
    "a trial lacks the report of its best epoch": "SELECT trial_key FROM trials WHERE best_epoch > 0 AND NOT EXISTS "
    "(SELECT 1 FROM reports WHERE reports.trial_key = trials.trial_key AND reports.epoch = best_epoch)",
}
WAY_OUT = (
    "put a copy of it back, or remove the study with 'study delete --keep-mlflow', then launch it again, which goes on "
    "from its --storage if it has one, or 'study pull' it"
)


def damage_of(ledger: Path) -> str | None:
    """In a sentence, the first thing that makes a ledger unreadable; None for a sound one, or where there is none."""
    if not ledger.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            found = _first_fault(connection)
    except sqlite3.DatabaseError as problem:
        found = str(problem)
    return found and f"{ledger} is damaged: {found}; {WAY_OUT}"


def _first_fault(connection: sqlite3.Connection) -> str | None:
    for table, shape in ROWS.items():
        columns = ", ".join(shape.__annotations__)
        for row in connection.execute(f"SELECT {columns} FROM {table}"):
            if wrong := misfit(dict(row), shape):
                return f"{table}: {wrong}"
    for said, query in STRAYS.items():
        if row := connection.execute(query).fetchone():
            return f"{said} ({row[0]!r})"
    (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if sound == "ok" else " ".join(str(sound).split())
