"""kill -9 of the ledger's writer, fifty times, most of them in the middle of a transaction."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from study.records.ledger import Ledger
from tests.faults.table import Row, keep

KILLS = 50
EPOCHS = 200  # of a transaction
MONITOR = "val_accuracy_noisy"
WRITER = f"""
import sys
from pathlib import Path
from study.records.ledger import Ledger
with Ledger(Path(sys.argv[1]), write=True) as ledger:
    batch = len(ledger.trials())
    while True:
        reports = [{{"epoch": e, "{MONITOR}": e / 1000, "seconds": 1.0}} for e in range(1, {EPOCHS} + 1)]
        result = {{"reports": reports, "epoch": {EPOCHS}, "best_epoch": {EPOCHS}, "facts": {{}}}}
        ledger.record_trials([(f"t{{batch}}", "c", 0, {{}})])
        print("begun", batch, flush=True)
        ledger.record_result(f"t{{batch}}", result | {{"checkpoint": {{"epoch": {EPOCHS}}}}}, "{MONITOR}")
        print("written", batch, flush=True)
        batch += 1
"""


def test_a_killed_writer_loses_no_write_that_returned_and_halves_none(tmp_path: Path) -> None:
    path, chance, amid = tmp_path / "ledger.db", random.Random(5), 0
    for _ in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(2 * chance.randint(0, 3) + 1):
            assert writer.stdout.readline()
        time.sleep(chance.uniform(0, 0.004))  # a transaction takes some milliseconds
        writer.kill()
        said = [line.split() for line in writer.stdout.read().splitlines()]
        writer.wait()
        writer.stdout.close()
        amid += not said or said[-1][0] == "begun"
        _assert_whole(path, max((int(batch) for word, batch in said if word == "written"), default=-1))
    assert amid >= KILLS / 2
    keep(
        Row(
            "Killed processes (SIGKILL)",
            f"the ledger's writer, {KILLS} times, {amid} of them in the middle of a transaction",
            "the ledger opens, and SQLite finds it whole; each transaction is there whole or not at all, and each that "
            "had returned is there",
            again=0,
            duplicates=0,
        )
    )


def _assert_whole(path: Path, written: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        counted = "SELECT trial_key, count(*) FROM {} GROUP BY 1"
        reports, checkpoints = (dict(connection.execute(counted.format(table))) for table in ("reports", "checkpoints"))
    with Ledger(path) as ledger:
        trials = ledger.trials()
    for key, trial in trials.items():
        there = key in reports
        assert (reports.get(key, 0), checkpoints.get(key, 0)) == ((EPOCHS, 1) if there else (0, 0))
        assert (trial.epoch, trial.seconds) == ((EPOCHS, EPOCHS) if there else (0, 0))
    assert written < 0 or f"t{written}" in reports
