"""The rows that fault tests leave, and the page that is made of them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FAULT_TABLE = "FAULT_TABLE"  # in the environment: the file that rows are added to


@dataclass(frozen=True)
class Row:
    """What came of one fault.

    `again`: epochs that the ledger had and that were trained once more; `duplicates`: trials or MLflow runs or points
    that stand twice; `recovery_s`: seconds from the fault until a trial reported again, over all launches; None where
    nothing had to recover.
    """

    group: str
    fault: str
    happened: str
    again: int
    duplicates: int
    recovery_s: float | None = None


def keep(row: Row) -> None:
    """Add a row to the table, where one is being made."""
    if FAULT_TABLE in os.environ:
        with Path(os.environ[FAULT_TABLE]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, in its order."""
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def markdown(rows: list[Row], heading: str) -> str:
    """The page: a table for each group."""
    parts = [heading]
    for group in dict.fromkeys(row.group for row in rows):
        parts.append(f"## {group}\n")
        parts.append("| fault | what happened | epochs trained again | duplicates | back at work after |")
        parts.append("|---|---|---:|---:|---:|")
        parts += [
            f"| {row.fault} | {row.happened} | {row.again} | {row.duplicates} | "
            f"{'—' if row.recovery_s is None else f'{row.recovery_s:.1f} s'} |"
            for row in rows
            if row.group == group
        ]
        parts.append("")
    return "\n".join(parts)
