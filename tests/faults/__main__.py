"""`python -m tests.faults`: every fault, one after the other, and docs/reliability.md made of what came of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

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


def main() -> int:
    """Exit code 1, and no page, where a fault was not survived."""
    facts = describe_run()
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        tests = [sys.executable, "-m", "pytest", str(Path(__file__).parent), "-m", "", *sys.argv[1:]]
        done = subprocess.run(tests, cwd=ROOT, env={**os.environ, FAULT_TABLE: str(rows)}, check=False)
        if done.returncode == 0:
            PAGE.write_text(markdown(read_rows(rows), INTRODUCTION.format(headline=headline(facts))), encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
