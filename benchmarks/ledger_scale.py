"""How the ledger, and the commands that read it, bear a large study.

    python -m benchmarks.ledger_scale --json benchmarks/results/ledger-cpu.json    10,000 trials of 50 epochs
    python -m benchmarks.ledger_scale --trials 200 --sync-trials 20 --repeats 1    a smoke test

Makes the ledger of a made-up study (`made_up.py`), 22 metrics an epoch, and times what reads it: every command as its
user calls it, from the start of the process to its end, with its peak memory, and `Study.load(...)` from Python. A
second, smaller study is brought to empty MLflow stores by `study sync`: to an SQLite file, and to an `mlflow server`
before one, started afresh. Points are the metrics' values that then lie in the store; the seconds are those of the
command less those of a second `sync`, which finds nothing to do: imports, and finding every run again.

`synced transactions per s` is what this disk does with the ledger's smallest transaction: each is synced before the
next one begins, so a slow disk is seen here first. Everything lies in the system's temporary folder (TMPDIR).
"""

from __future__ import annotations

import argparse
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe_run, headline, write_json
from benchmarks.made_up import make_spec, record_study
from study.records.ledger import Ledger
from study.records.paths import Home

NAME, SYNCED = "ledger-scale", "ledger-scale-sync"
BIN = Path(sys.executable).parent
SERVER_PATIENCE_S = 120
GOALS = {  # the highest that is good; of points per second the lowest
    "list_s": 2.0,
    "status_s": 2.0,
    "compare_s": 2.0,
    "report_s": 60.0,
    "report_peak_mib": 2048.0,
    "report_html_mib": 15.0,
    "sync_sqlite_points_per_s": 1000.0,
    "sync_server_points_per_s": 1000.0,
}

Row = dict[str, Any]


def make_ledger(home: Home, name: str, trials: int, epochs: int, batch: int) -> Row:
    """The ledger of a study whose trials all ended, and how long that took."""
    began = time.perf_counter()
    transactions = record_study(home, make_spec(name, trials, epochs), trials, batch)
    seconds = time.perf_counter() - began
    with Ledger(home.study(name).ledger) as ledger:
        if len(ledger.trials()) != trials:
            raise SystemExit(f"the ledger has {len(ledger.trials())} trials, not {trials}")
    return {
        "make_s": seconds,
        "make_transactions_per_s": transactions / seconds,
        "make_reports_per_s": trials * epochs / seconds,
        "ledger_mib": home.study(name).ledger.stat().st_size / 2**20,
    }


def synced_transactions(folder: Path, count: int = 200) -> float:
    """Transactions a second of a ledger that records events, the smallest that it has."""
    with Ledger(folder / "empty.db", write=True) as ledger:
        began = time.perf_counter()
        for _ in range(count):
            ledger.record_event("event", "")
        return count / (time.perf_counter() - began)


def run(home: Home, *command: str | Path) -> tuple[float, float]:
    """Wall seconds and peak MiB of a command in a fresh process; SystemExit where it fails."""
    environment = {**os.environ, "STUDY_HOME": str(home.root), "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as said:
        began, peak = time.perf_counter(), 0.0
        process = subprocess.Popen([*map(str, command)], env=environment, stdout=said, stderr=said, cwd=home.root)
        while process.poll() is None:
            peak = max(peak, peak_mib(process.pid))
            time.sleep(0.002)
        seconds = time.perf_counter() - began
        if process.returncode != 0:
            said.seek(0)
            raise SystemExit(f"{command}: exit code {process.returncode}\n{said.read().decode()}")
    return seconds, peak


def peak_mib(pid: int) -> float:
    """The most memory that a process has had; `wait4` would say that of this one, where it is the greater."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it ended meanwhile
        return 0.0
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM")), 0.0)


def run_commands(home: Home, repeats: int) -> Row:
    """Every command that reads the ledger: the median of its seconds, and its peak memory."""
    study, file = BIN / "study", home.study(NAME).study_file
    python = (sys.executable, "-c")
    load = f"from study import Study; study = Study.load({NAME!r}); "
    commands = {
        "list": (study, "list"),
        "status": (study, "status", NAME),
        "status_json": (study, "status", NAME, "--json"),
        "compare": (study, "compare", NAME),
        "report": (study, "report", NAME),
        "export": (study, "export", NAME, "--no-weights"),
        "launch_dry_run": (study, "launch", file, "--dry-run"),
        "load_trials": (*python, load + "study.trials()"),
        "load_best": (*python, load + "study.best()"),
    }
    found = {}
    for name, command in commands.items():
        runs = [run(home, *command) for _ in range(1 if name == "report" else repeats)]
        found[f"{name}_s"] = statistics.median(seconds for seconds, _ in runs)
        found[f"{name}_peak_mib"] = max(peak for _, peak in runs)
    return found | {"report_html_mib": (home.study(NAME).report / "report.html").stat().st_size / 2**20}


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """The address of a fresh MLflow server before an SQLite file in `folder`, with MLflow's own number of workers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    store = ("--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "files"))
    command = [str(BIN / "mlflow"), "server", *store, "--port", uri.rpartition(":")[2]]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, cwd=folder) as server:
        try:
            _await(f"{uri}/health", server)
            yield uri
        finally:
            server.terminate()


def _await(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SERVER_PATIENCE_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"mlflow server: {address} does not answer")


def sync(home: Home, name: str, store: Path) -> Row:
    """The study that is to be synced goes to an empty store, whose file is `store`; then once more."""
    first, peak = run(home, BIN / "study", "sync", SYNCED)
    second, _ = run(home, BIN / "study", "sync", SYNCED)
    with closing(sqlite3.connect(store)) as connection:
        points = connection.execute("SELECT count(*) FROM metrics").fetchone()[0]
    return {
        f"sync_{name}_points": points,
        f"sync_{name}_s": first,
        f"sync_{name}_again_s": second,
        f"sync_{name}_points_per_s": points / (first - second),
        f"sync_{name}_peak_mib": peak,
    }


def syncs(home: Home, trials: int, epochs: int, batch: int) -> Row:
    """`study sync` to a file and to a server."""
    make_ledger(home, SYNCED, trials, epochs, batch)
    found = sync(home, "sqlite", home.root / "mlflow.db")
    with mlflow_server(home.root) as uri:
        with Ledger(home.study(SYNCED).ledger, write=True) as ledger:
            ledger.record_spec((ledger.spec() or {}) | {"tracking": {"uri": uri}}, {})
        return found | sync(home, "server", home.root / "server.db")


def misses(times: Row) -> list[str]:
    """A sentence for every goal that was missed."""
    return [
        f"{name} is {times[name]:.1f}, the goal {goal:g}"
        for name, goal in GOALS.items()
        if (times[name] < goal if name.endswith("per_s") else times[name] > goal)
    ]


def main() -> None:
    """Make the ledgers, read them, print and keep the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=50, help="of each trial, 22 metrics each")
    parser.add_argument("--batch", type=int, default=10, help="epochs in one result of a worker")
    parser.add_argument("--sync-trials", type=int, default=200, help="trials that are brought to MLflow")
    parser.add_argument("--repeats", type=int, default=3, help="how often each command is run; the median counts")
    parser.add_argument("--json", type=Path, help="write raw results here")
    args = parser.parse_args()
    if min(args.trials, args.epochs, args.batch, args.sync_trials, args.repeats) < 1:
        parser.error("every number is at least 1")

    facts = describe_run()
    print(f"{headline(facts)}\n{args.trials} trials of {args.epochs} epochs, {args.batch} a result", flush=True)
    with tempfile.TemporaryDirectory(prefix="ledger-scale-") as folder:
        home = Home(Path(folder))
        times = {"synced_transactions_per_s": synced_transactions(home.root)}
        times |= make_ledger(home, NAME, args.trials, args.epochs, args.batch)
        times |= run_commands(home, args.repeats)
        times |= syncs(home, args.sync_trials, args.epochs, args.batch)
    for name, value in times.items():
        print(f"{name.replace('_', ' '):<40} {value:>12,.3f}")
    for sentence in misses(times):
        print(f"missed: {sentence}")
    write_json(args.json, {**facts, "options": vars(args) | {"json": None}, "times": times, "goals": GOALS})


if __name__ == "__main__":
    main()
