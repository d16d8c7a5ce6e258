"""How the ledger, and the commands that read it, bear a large study.

    python -m benchmarks.ledger_scale                                10,000 trials of 100 reports
    python -m benchmarks.ledger_scale --trials 200 --reports 5       a smoke test

Makes the ledger of a made-up study through the ledger's own interface, with the cells, configs and trials that
`study launch` would record and one transaction where it would make one: a trial starts, brings `--batch` epochs with
each result, and ends. Prints how long that took, the size of the file, how long it takes to open it and to read what
every launch reads, and the wall time of `study status`, `study list` and, once, `study report` from the start of the
process to its end.
No training takes place; the metrics are random numbers.

`synced transactions per s` is what this disk does with the ledger's smallest transaction: each is synced before the
next one begins, so a slow disk is seen here first. The ledger lies in the system's temporary folder (TMPDIR).
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_run, headline, write_json
from study.agenda import cell_facts
from study.ledger import Ledger
from study.paths import Home
from study.plan import Config, make_plan
from study.spec import StudySpec
from study.states import COMPLETED

NAME = "ledger-scale"
REPEATS = 5
RATES = [0.0, 0.2, 0.4, 0.6, 0.8]
FAMILIES = ["ce", "label_smoothing", "mcel", "tce"]
FACTS = {"split_digest": "0" * 16, "noise_digest": "1" * 16, "noise_rate_realised": 0.36}

Row = dict[str, Any]


def make_spec(trials: int) -> StudySpec:
    """A study of at least so many trials: four families, five noise rates, five repeats."""
    configs = -(-trials // (len(FAMILIES) * len(RATES) * REPEATS))
    return StudySpec.model_validate(
        {
            "name": NAME,
            "dataset": "digits",
            "noise": {"rate": RATES},
            "model": "small_cnn",
            "families": FAMILIES,
            "training": {
                "epochs": 100,
                "optimizer": {"name": "sgd", "lr": {"loguniform": [0.001, 1.0]}, "weight_decay": 1e-4},
            },
            "search": {"name": "random", "configs": configs, "repeats": REPEATS},
        }
    )


def make_reports(first: int, last: int) -> list[dict[str, float]]:
    """Epochs `first` to `last` as a worker reports them."""
    names = ("train_loss", "val_loss_noisy", "val_loss_clean", "train_accuracy", "val_accuracy_noisy")
    return [
        {
            "epoch": epoch,
            **{name: random.random() for name in names},
            "val_accuracy_clean": random.random(),
            "lr": 0.05 * (1 - epoch / 101),
            "seconds": 0.05,
            "time": time.time(),
        }
        for epoch in range(first, last + 1)
    ]


def record_trial(ledger: Ledger, key: str, reports: int, batch: int, monitor: str) -> int:
    """One trial from start to end; how many transactions that took."""
    ledger.record_started(key)
    starts = range(1, reports + 1, batch)
    for first in starts:
        last = min(first + batch - 1, reports)
        result = {"reports": make_reports(first, last), "epoch": last, "best_epoch": last, "facts": FACTS}
        ledger.record_result(key, result, monitor)
    ledger.record_ended(key, COMPLETED)
    ledger.record_tracked("sqlite:///mlflow.db", [(key, "f" * 32, reports, COMPLETED)])
    return len(starts) + 3


def make_ledger(home: Home, trials: int, reports: int, batch: int) -> Row:
    """The ledger of a study whose trials all ended, and how long that took."""
    began = time.perf_counter()
    spec = make_spec(trials)
    plan = make_plan(spec, home.cache)
    configs = [config for cell in plan.cells for config in cell.configs]
    described = list(itertools.islice(describe(configs), trials))
    planned = time.perf_counter()
    paths = home.study(NAME)
    paths.root.mkdir()
    with Ledger(paths.ledger, write=True) as ledger:
        ledger.record_spec(spec.model_dump(mode="json"), describe_run())
        ledger.record_cells((cell.key, cell_facts(cell)) for cell in plan.cells)
        ledger.record_configs((c.cell.key, c.key, c.number, c.params) for c in configs)
        ledger.record_trials(described)
        recorded, transactions = time.perf_counter(), 0
        for key, *_ in described:
            transactions += record_trial(ledger, key, reports, batch, spec.select.monitor)
        ended = time.perf_counter()
    return {
        "plan_s": planned - began,
        "record_plan_s": recorded - planned,
        "record_results_s": ended - recorded,
        "transactions": transactions,
        "transactions_per_s": transactions / (ended - recorded),
        "reports_per_s": trials * reports / (ended - recorded),
        "size_mib": paths.ledger.stat().st_size / 2**20,
    }


def describe(configs: list[Config]) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Every trial as the ledger records it."""
    for config in configs:
        for repeat in range(REPEATS):
            yield config.trial_key(repeat), config.key, repeat, config.trial(repeat)


def synced_transactions(folder: Path, count: int = 200) -> float:
    """Transactions a second of a ledger that records events, the smallest that it has."""
    with Ledger(folder / "empty.db", write=True) as ledger:
        began = time.perf_counter()
        for _ in range(count):
            ledger.record_event("event", "")
        return count / (time.perf_counter() - began)


def read_ledger(home: Home) -> Row:
    """Opening the ledger, and what every launch and most commands read of it."""
    began = time.perf_counter()
    with Ledger(home.study(NAME).ledger) as ledger:
        opened = time.perf_counter()
        trials = ledger.trials()
        ledger.configs()
        read = time.perf_counter()
    return {"open_s": opened - began, "read_trials_and_configs_s": read - opened, "trials": len(trials)}


def command_seconds(home: Home, repeats: int, *words: str) -> float:
    """Wall time of `study ...` in a fresh process, the median of `repeats`."""
    command = [str(Path(sys.executable).with_name("study")), *words]
    environment = {**os.environ, "STUDY_HOME": str(home.root)}
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        seconds.append(time.perf_counter() - began)
        if done.returncode != 0:
            raise SystemExit(f"study {' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return statistics.median(seconds)


def main() -> None:
    """Make the ledger, read it, print and keep the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--reports", type=int, default=100, help="epochs of each trial")
    parser.add_argument("--batch", type=int, default=10, help="epochs in one result of a worker")
    parser.add_argument("--repeats", type=int, default=3, help="how often each command is run; the median counts")
    parser.add_argument("--json", type=Path, help="write raw results here")
    args = parser.parse_args()
    if min(args.trials, args.reports, args.batch, args.repeats) < 1:
        parser.error("every number is at least 1")

    facts = describe_run()
    print(f"{headline(facts)}\n{args.trials} trials of {args.reports} reports, {args.batch} a result", flush=True)
    with tempfile.TemporaryDirectory(prefix="ledger-scale-") as folder:
        home = Home(Path(folder))
        times = {"synced_transactions_per_s": synced_transactions(home.root)}
        times |= make_ledger(home, args.trials, args.reports, args.batch)
        times |= read_ledger(home)
        if times["trials"] != args.trials:
            raise SystemExit(f"the ledger has {times['trials']} trials, not {args.trials}")
        for words in (["status", NAME], ["status", NAME, "--json"], ["list"], ["list", "--json"]):
            times[f"study_{'_'.join(words)}_s".replace("--", "")] = command_seconds(home, args.repeats, *words)
        times["study_report_s"] = command_seconds(home, 1, "report", NAME)
        times["report_html_mib"] = (home.study(NAME).report / "report.html").stat().st_size / 2**20
    for name, value in times.items():
        print(f"{name.replace('_', ' '):<40} {value:>12,.3f}")
    write_json(args.json, {**facts, "options": vars(args) | {"json": None}, "times": times})


if __name__ == "__main__":
    main()
