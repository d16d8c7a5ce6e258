"""`python -m tests.faults`: every fault, one after the other, and docs/reliability.md made of what came of them."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from benchmarks.machine import describe_run, headline
from tests.faults.table import FAULT_TABLE, markdown, read_rows

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
INTRODUCTION = """\
# What a study survives

Each row is a test in `tests/faults` that does the thing for real to a launch, and then compares what is left with an
undisturbed launch of the same study: the same trials, each finished once, with the same numbers to the bit (grid
search, one lane for each process, CPU), one MLflow run for each and one point for each epoch. Where trials train in
lanes, whose last digits depend on how many train side by side, losses agree to 0.1 %. *Epochs trained again* are those
that the ledger had and no checkpoint: at most one checkpoint interval for each trial that was running. *Back at work
after* is the time from the fault to the next epoch, of a trial that was tried again where one was; where a launch
ended, that of the next one is in it, Ray's start and all, and where it ended often the longest.

`make faults` makes this page. {headline}.
"""


class Skipped:
    """Notes, as a plugin of pytest's, what was not run."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.said.append(f"{report.nodeid}: {report.longrepr[-1]}")


def main() -> int:
    """Exit code 1, and no page, where a fault was not survived or not tried."""
    facts, skipped = describe_run(), Skipped()
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        os.environ[FAULT_TABLE] = str(rows)
        code = pytest.main([str(Path(__file__).parent), "-m", "", *sys.argv[1:]], plugins=[skipped])
        if code or skipped.said or sys.argv[1:]:
            said = "\n  ".join(["no page was written: it is made of every row at once", *skipped.said])
            sys.stderr.write(f"{said}\n")
            return int(code) or 1
        PAGE.write_text(markdown(read_rows(rows), INTRODUCTION.format(headline=headline(facts))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
