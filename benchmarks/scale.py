"""What the platform itself takes for each trial as studies grow: trials that train nothing, through the whole launch.

    python -m benchmarks.scale                                     10, 100, 1,000 and 10,000 trials
    python -m benchmarks.scale --trials 10 100 --no-track          as many as you like, without MLflow

Each study is launched as `study launch` does it, in a fresh process with empty folders: the plan, Ray Tune, one trial
per core at a time, the ledger, MLflow in an SQLite file. Only the trainable is another one (`idle.py`), which reports
one epoch of two metrics and ends. With `--asha` trials have nine epochs and ASHA decides on them after one and three.

    start_s    until the first trial goes to a worker: reading, planning, Ray, its first workers
    run_s      until the last trial has ended
    finish_s   until the launch returns: MLflow is brought level, Ray stops
    ms_trial   run_s / trials; `first` and `last` of the tenths of trials by their end, so that growth is seen
    cpu_ms     the driver's CPU time over run_s and finish_s, per trial
    peak_mib   the driver's memory at most; `ledger_mib` and `mlflow_mib` are files

`growth` is ms_trial against that of 100 trials, the start left out as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe_run, headline, write_json
from study.records.ledger import Ledger
from study.records.paths import Home
from study.running.conductor import Conductor
from study.running.site import ThisMachine
from study.spec.yaml_file import parse_document, to_yaml

NAME = "scale"
FAMILIES = ["ce", "tce"]
REFERENCE, GOAL = 100, 1.15

Row = dict[str, Any]


class Quiet:
    """Shows nothing."""

    def stage(self, text: str) -> None:
        pass

    def watch(self, conductor: Conductor) -> None:
        self.cpu_before = time.process_time()

    def close(self) -> None:
        pass


def study_file(trials: int, *, track: bool, asha: bool) -> str:
    """A study of so many trials."""
    values = {
        "name": NAME,
        "dataset": "digits",
        "noise": {"kind": "uniform", "rate": 0.4},
        "model": {"name": "mlp", "hidden": 8},
        "families": FAMILIES,
        "training": {"epochs": 9 if asha else 1, "optimizer": {"name": "sgd", "lr": {"loguniform": [0.001, 1.0]}}},
        "search": {"name": "random", "configs": trials // len(FAMILIES), "repeats": 1},
        "scheduler": {"name": "asha", "grace_epochs": 1, "reduction": 3} if asha else "none",
        "tracking": {"enabled": track},
    }
    return to_yaml(values)


def launch(folder: Path, trials: int, *, track: bool, asha: bool) -> Row:
    """One study in this process, which is a fresh one."""
    ThisMachine().settle()  # before Ray is imported, as `study launch` does
    from benchmarks.idle import IdleTrainable
    from study.running.launch import launch as run
    from study.spec.study_file import parse_spec

    began = time.time()
    home, quiet = Home(folder), Quiet()
    document = parse_document(study_file(trials, track=track, asha=asha), str(folder / "scale.yaml"))
    outcome = run(parse_spec(document), document, home, quiet, trainable=IdleTrainable)
    ended = time.time()
    if sum(outcome.ran.values()) != trials or outcome.tracking_problem:
        raise SystemExit(f"{trials} trials: {outcome}")
    with Ledger(outcome.paths.ledger) as ledger:
        records = ledger.trials().values()
    starts, ends = sorted(r.started_at or 0.0 for r in records), sorted(r.ended_at or 0.0 for r in records)
    tenth = trials // 10
    return {
        "trials": trials,
        "start_s": starts[0] - began,
        "run_s": ends[-1] - starts[0],
        "finish_s": ended - ends[-1],
        "ms_trial": 1000 * (ends[-1] - starts[0]) / trials,
        "ms_first": 1000 * (ends[tenth] - ends[0]) / tenth,
        "ms_last": 1000 * (ends[-1] - ends[-1 - tenth]) / tenth,
        "cpu_ms": 1000 * (time.process_time() - quiet.cpu_before) / trials,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        "ledger_mib": outcome.paths.ledger.stat().st_size / 2**20,
        "mlflow_mib": (folder / "mlflow.db").stat().st_size / 2**20 if track else 0.0,
    }


def measure(trials: int, *, track: bool, asha: bool) -> Row:
    """One study in a fresh process."""
    words = [*(["--no-track"] if not track else []), *(["--asha"] if asha else [])]
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        command = [sys.executable, "-m", "benchmarks.scale", "--here", folder, "--trials", str(trials), *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{trials} trials: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    """Launch every size, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 100, 1000, 10_000])
    parser.add_argument("--track", action=argparse.BooleanOptionalAction, default=True, help="MLflow")
    parser.add_argument("--asha", action="store_true", help="nine epochs, and ASHA")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write raw results here")
    args = parser.parse_args()
    if min(args.trials) < 10 or any(trials % len(FAMILIES) for trials in args.trials):
        parser.error("a study has at least 10 trials, and an even number of them")
    if args.here is not None:
        print(json.dumps(launch(args.here, args.trials[0], track=args.track, asha=args.asha)))
        return
    facts, rows = describe_run(), []
    print(headline(facts))
    for trials in args.trials:
        rows.append(measure(trials, track=args.track, asha=args.asha))
        if len(rows) == 1:
            print(" ".join(f"{name:>10}" for name in rows[0]))
        print(" ".join(f"{value:>10.4g}" for value in rows[-1].values()), flush=True)
    reference = next((row["ms_trial"] for row in rows if row["trials"] == REFERENCE), None)
    for row in rows if reference else []:
        row["growth"] = row["ms_trial"] / reference
        print(f"{row['trials']} trials: {row['growth']:.2f} of the time per trial at {REFERENCE} (goal {GOAL} at most)")
    write_json(args.json, {**facts, "options": vars(args) | {"json": None}, "rows": rows})


if __name__ == "__main__":
    main()
