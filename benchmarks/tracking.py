"""What MLflow costs a study: of the driver's time, and of a background thread's, per trial and per epoch.

    python -m benchmarks.tracking                          trials of 60 s and 60 epochs, 200 others in the ledger
    python -m benchmarks.tracking --trials 2 --known 4     a smoke test

Plays the life of a trial through the ledger's own interface, without training: it starts, has epochs of 22 metrics to
show every 5 s, as a launch shows a trial that runs, and ends. For three stores (a server on this machine, the default
SQLite file, a server that is stopped) it prints milliseconds per trial:

- `driver`: how much more processor time the driver's own thread takes to write its results down with a tracker than
  without one; and how much longer that lasts at the most, with the tracker always at work (results `--pace` apart).
- `background`: wall time and processor time of the thread that brings them over, and its cut into what a trial costs,
  however long, and what each of its epochs adds (from trials with half the epochs).
- `server`: processor time of the server.

The share is that of all processor time, driver's, thread's and server's, in a trial of 60 s on one core; the goal is
2 %. At a server that is stopped the thread tries again after 2, 4, 8, ... 60 s: five times in the first minute.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from benchmarks.machine import describe_run, headline, write_json
from benchmarks.made_up import described_trials
from study.planning.agenda import cell_facts
from study.planning.plan import make_plan
from study.records.ledger import Ledger
from study.records.paths import Home
from study.records.states import COMPLETED
from study.spec import StudySpec
from study.tracking import mlflow_view
from study.tracking.mlflow import MlflowTracker
from study.tracking.mlflow_view import RUNNING_PAUSE_S, MlflowView
from study.tracking.null import NullTracker

NAME, MONITOR = "tracking", "val_accuracy_noisy"
TRIAL_S, GOAL = 60.0, 0.02
ATTEMPTS = 5  # in a minute at a server that is stopped
METRICS = (
    "train_loss", "train_accuracy", "train_memorised", "train_still_true", "lr", "seconds",
    *(f"val_{name}_{labels}" for labels in ("noisy", "clean") for name in (
        "accuracy", "loss", "top5", "macro_f1", "brier", "ece", "ece_scaled", "temperature")),
)  # fmt: skip

Row = dict[str, Any]


def begin(home: Home, known: int, trials: int) -> tuple[Ledger, Iterator[str]]:
    """A new ledger with `known` trials that ended and are in every store, and the keys of `trials` more."""
    configs = -(-(known + trials) // 20)
    spec = StudySpec.model_validate(
        {
            "name": NAME,
            "dataset": "digits",
            "noise": {"rate": [0.0, 0.4]},
            "model": "small_cnn",
            "families": ["ce", "tce"],
            "training": {"epochs": 60, "optimizer": {"name": "sgd", "lr": {"loguniform": [0.001, 1.0]}}},
            "search": {"name": "random", "configs": configs, "repeats": 5},
        }
    )
    plan = make_plan(spec, home.cache)
    found = [config for cell in plan.cells for config in cell.configs]
    described = list(itertools.islice(described_trials(found), known + trials))
    paths = home.study(NAME)
    paths.root.mkdir(parents=True, exist_ok=True)
    for file in paths.root.glob("ledger.db*"):
        file.unlink()
    ledger = Ledger(paths.ledger, write=True)
    ledger.record_spec(spec.model_dump(mode="json"), {})
    ledger.record_cells((cell.key, cell_facts(cell)) for cell in plan.cells)
    ledger.record_configs((c.cell.key, c.key, c.number, c.params) for c in found)
    ledger.record_trials(described)
    keys = [key for key, *_ in described]
    for key in keys[:known]:
        live(ledger, key, 1, 1)
    return ledger, iter(keys[known:])


def live(ledger: Ledger, key: str, epochs: int, results: int) -> None:
    """A trial from start to end, in so many results."""
    for _ in steps(ledger, key, epochs, results):
        pass


def steps(ledger: Ledger, key: str, epochs: int, results: int) -> Iterator[None]:
    """A trial from start to end: pauses after each result."""
    ledger.record_started(key)
    for last in range(epochs // results, epochs + 1, epochs // results):
        reports = [
            {"epoch": epoch, **{name: random.random() for name in METRICS}, "time": time.time()}
            for epoch in range(last - epochs // results + 1, last + 1)
        ]
        ledger.record_result(key, {"reports": reports, "epoch": last, "best_epoch": last, "facts": {}}, MONITOR)
        if last == epochs:
            ledger.record_ended(key, COMPLETED)
        yield


def background(view: MlflowView, ledger: Ledger, keys: Iterator[str], trials: int, epochs: int, results: int) -> Row:
    """Milliseconds a trial of the thread that brings results over, each result when it comes."""
    wall = cpu = 0.0
    for key in itertools.islice(keys, trials):
        for _ in steps(ledger, key, epochs, results):
            began, began_cpu = time.perf_counter(), time.thread_time()
            with suppress(Exception):  # a server that is stopped
                view.level()
            wall, cpu = wall + time.perf_counter() - began, cpu + time.thread_time() - began_cpu
    return {"wall_ms": 1000 * wall / trials, "cpu_ms": 1000 * cpu / trials}


def driver_ms(
    ledger: Ledger, tracker: Any, keys: Iterator[str], trials: int, epochs: int, results: int, pace_s: float
) -> tuple[float, float]:
    """Milliseconds a trial that the driver takes to record it and to wake the tracker: processor time, wall time."""
    cpu = wall = 0.0
    for key in itertools.islice(keys, trials):
        life = steps(ledger, key, epochs, results)
        for _ in range(results):
            time.sleep(pace_s)
            began, began_cpu = time.perf_counter(), time.thread_time()
            next(life)
            tracker.wake()
            wall, cpu = wall + time.perf_counter() - began, cpu + time.thread_time() - began_cpu
    return 1000 * cpu / trials, 1000 * wall / trials


def measure(uri: str, home: Home, args: argparse.Namespace, server: psutil.Process | None) -> Row:
    """One store: driver, background and server, and their share."""
    results = max(1, round(TRIAL_S / RUNNING_PAUSE_S))
    epochs = args.epochs // results * results
    half = max(results, epochs // 2 // results * results)
    ledger, keys = begin(home, args.known, 5 * args.trials + 1)
    try:
        view = MlflowView(uri, home.study(NAME), home, ledger)
        with patch.object(mlflow_view, "RUNNING_PAUSE_S", 0.0):  # each result stands for one that came after it
            background(view, ledger, keys, 1, results, 1)  # the known ones, and whatever is imported
            before = cpu_of(server)
            full = background(view, ledger, keys, args.trials, epochs, results)
            served = 1000 * (cpu_of(server) - before) / args.trials
            less = background(view, ledger, keys, args.trials, half, results)
        alone = driver_ms(ledger, NullTracker(), keys, args.trials, epochs, results, args.pace)
        logging.getLogger("study").setLevel(logging.ERROR)  # one line is enough
        tracker = MlflowTracker(uri, home.study(NAME), home, ledger)
        beside = driver_ms(ledger, tracker, keys, args.trials, epochs, results, args.pace)
        tracker.close()
    finally:
        ledger.close()
    per_epoch = (full["cpu_ms"] - less["cpu_ms"]) / (epochs - half) if epochs > half else 0.0
    driver, waited = (max(0.0, late - early) for late, early in zip(beside, alone, strict=True))
    return {
        "driver_ms": driver,
        "driver_ms_per_epoch": driver / epochs,
        "driver_wait_ms_at_most": waited,
        "background_wall_ms": full["wall_ms"],
        "background_cpu_ms": full["cpu_ms"],
        "background_cpu_ms_fixed": full["cpu_ms"] - per_epoch * epochs,
        "background_cpu_ms_per_epoch": per_epoch,
        "server_cpu_ms": served,
        "share": (driver + full["cpu_ms"] + served) / (1000 * TRIAL_S),
    }


def stopped(uri: str, home: Home, args: argparse.Namespace) -> Row:
    """A server that is not there: what its attempts cost in a minute."""
    row = measure(uri, home, args, None)
    attempts = max(1, round(TRIAL_S / RUNNING_PAUSE_S))
    for name in ("background_wall_ms", "background_cpu_ms"):
        row[name] *= ATTEMPTS / attempts
    row |= {"background_cpu_ms_fixed": row["background_cpu_ms"], "background_cpu_ms_per_epoch": 0.0}
    return row | {"share": (row["driver_ms"] + row["background_cpu_ms"]) / (1000 * TRIAL_S)}


def cpu_of(server: psutil.Process | None) -> float:
    """Seconds of processor time that a server and its workers have taken."""
    if server is None:
        return 0.0
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[psutil.Process]:
    """A real server over a store of its own."""
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/server.db",
        "--artifacts-destination", str(folder), "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    light = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env={**os.environ, **light}, **quiet)
    try:
        for _ in range(600):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, help="that each figure is a mean over")
    parser.add_argument("--epochs", type=int, default=60, help="of a trial of 60 s")
    parser.add_argument("--known", type=int, default=200, help="trials that ended before")
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between results, where the driver is timed")
    parser.add_argument("--port", type=int, default=5917, help="of the server")
    parser.add_argument("--json", type=Path, help="write raw results here")
    args = parser.parse_args()
    if min(args.trials, args.epochs, args.known + 1) < 1:
        parser.error("trials and epochs are at least 1")
    facts = describe_run()
    print(headline(facts), flush=True)
    with tempfile.TemporaryDirectory(prefix="tracking-") as folder:
        home, uri = Home(Path(folder, "studies")), f"http://127.0.0.1:{args.port}"
        with mlflow_server(Path(folder), args.port) as server:
            rows = {"server": measure(uri, home, args, server)}
        rows["stopped"] = stopped(uri, home, args)
        rows["sqlite"] = measure(home.mlflow_uri, home, args, None)
    print(f"per trial of {TRIAL_S:g} s, {args.epochs} epochs, n = {args.trials}")
    for name, row in rows.items():
        print(f"{name}:")
        for what, value in row.items():
            print(f"  {what.replace('_', ' '):<32} {value:>10{'.2%' if what == 'share' else ',.3f'}}")
    worst = max(row["share"] for row in rows.values())
    print(f"at most {worst:.2%} of a core (goal {GOAL:.0%}){'' if worst <= GOAL else ': missed'}")
    write_json(args.json, {"facts": facts, "options": vars(args) | {"json": None}, "rows": rows})


if __name__ == "__main__":
    main()
