"""What a platform costs: the same trials, run four ways on one machine, one way after another.

    python -m benchmarks.platforms                    48 trials of 20 epochs, each way once
    python -m benchmarks.platforms --repeat 5         five times; medians, with the smallest and the largest
    python -m benchmarks.platforms --only bare ours --trials 200
    python -m benchmarks.platforms --only bare ours --trials 4 --epochs 2

A trial: scikit-learn's digits with 40 % uniform label noise, `small_cnn`, TCE, SGD with Nesterov momentum 0.9, weight
decay 1e-4, cosine schedule, batches of 64, evaluation on the validation images after every epoch. 48 configs: 6 values
of alpha x 8 learning rates; more trials have further learning rates. Each way keeps each core busy with one thread.

    bare     one plain process per core, no tracking: the ideal
    ray      Ray Tune as documented: function API, MLflowLoggerCallback
    optuna   an Optuna study with one thread per core, MLflow once per epoch
    ours     `study launch` with `resources: {lanes: auto}`
    untracked  the same without MLflow: the difference is what tracking costs
    lone     `study launch` with `lanes: 1`: the difference is what lanes gain

Each way is a fresh process with an empty cache and an empty folder. Its wall time is cut in four:

    prepare  from the start of the process until its libraries are imported; for `ours` until the ledger has the study,
             which includes reading the file, decoding the data and planning
    start    until the first trial starts: worker processes, what they import, Ray, the MLflow store; for `ours` also
             the import of Ray, which it puts off until it is needed
    train    until the last trial has ended
    finish   until the process is gone: tracking is brought level, files are written, workers are stopped

`s/trial` is (start + train) / trials: training with the start-up of the workers. `total/trial` is the whole wall time
/ trials. Ratios are between these. A way that did not train every trial for every epoch, or did not log every epoch
of it to MLflow, or comes to another mean accuracy than the others, fails the benchmark.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe_run, headline, write_json
from benchmarks.ways import ALPHAS, EXPERIMENT, LEARNING_RATES, MAX_TRIALS, METRIC, TRIALS, WAYS, Done, Work
from study.records.ledger import Ledger
from study.records.paths import Home

OURS: dict[str, list[str]] = {
    "ours": ["--set", "resources.lanes=auto"],
    "untracked": ["--set", "resources.lanes=auto", "--set", "tracking.enabled=false"],
    "lone": ["--set", "resources.lanes=1"],
}
NAMES = (*WAYS, *OURS)
PHASES = ("prepare", "start", "train", "finish")
TOLERANCE = 0.05  # between the ways' mean validation accuracies
# Alike for every way: nothing joins a cluster or a server that lies about, nothing is sent to anyone.
DROPPED = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID", "STUDY_HOME")
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}

Row = dict[str, Any]


def run_way(name: str, trials: int, epochs: int) -> Row:
    """One way in a fresh process: its phases and what it trained. SystemExit where it did not do the work."""
    with tempfile.TemporaryDirectory(prefix=f"platforms-{name}-") as folder:
        work = Work(trials, epochs, Path(folder))
        environment = {key: value for key, value in os.environ.items() if key not in DROPPED} | QUIET
        if name in OURS:
            file = work.folder / "study.yaml"
            file.write_text(study_file(work), encoding="utf-8")
            environment["STUDY_HOME"] = folder
            command = [str(Path(sys.executable).with_name("study")), "launch", str(file), *OURS[name]]
        else:
            sizes = ["--trials", str(trials), "--epochs", str(epochs)]
            command = [sys.executable, "-m", "benchmarks.ways", name, *sizes, "--folder", folder]
        spawned = time.time()
        process = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        ended = time.time()
        if process.returncode != 0:
            raise SystemExit(f"{name}: exit code {process.returncode}\n{process.stdout[-3000:]}")
        began, done = read_ledger(work) if name in OURS else read_result(work)
        check_work(name, work, done)
    marks = (spawned, began, min(trial.started for trial in done), max(trial.ended for trial in done), ended)
    phases = {phase: marks[i + 1] - marks[i] for i, phase in enumerate(PHASES)}
    return {
        "way": name,
        **phases,
        "total": ended - spawned,
        "per_trial": (phases["start"] + phases["train"]) / trials,
        "total_per_trial": (ended - spawned) / trials,
        "accuracy": statistics.fmean(trial.accuracy for trial in done),
    }


def study_file(work: Work) -> str:
    """The trials as a study file."""
    return f"""\
name: {EXPERIMENT}
dataset: {{name: digits, holdout: 0.2}}
noise: {{kind: uniform, rate: 0.4}}
model: {{name: small_cnn}}
families: [{{family: tce, space: {{alpha: {{grid: {list(ALPHAS)}}}}}}}]
training:
  epochs: {work.epochs}
  batch_size: 64
  optimizer: {{name: sgd, lr: {{grid: {list(LEARNING_RATES)}}}, momentum: 0.9, nesterov: true, weight_decay: 0.0001}}
  schedule: {{name: cosine}}
search: {{name: grid, configs: {work.trials}, repeats: 1}}
scheduler: none
"""


def read_result(work: Work) -> tuple[float, list[Done]]:
    """What `ways.py` wrote."""
    result = json.loads((work.folder / "result.json").read_text(encoding="utf-8"))
    return result["began"], [Done(**trial) for trial in result["done"]]


def read_ledger(work: Work) -> tuple[float, list[Done]]:
    """When `study launch` had recorded its study, and the trials that it completed."""
    path = Home(work.folder).study(EXPERIMENT).ledger
    with sqlite3.connect(path) as connection:  # the ledger's interface does not tell when a spec was recorded
        began = connection.execute("SELECT max(time) FROM specs").fetchone()[0]
    done = []
    with Ledger(path) as ledger:
        for trial in ledger.trials().values():
            if trial.state == "completed" and trial.started_at and trial.ended_at:
                described, reports = ledger.trial(trial.key), ledger.reports(trial.key)
                point = {"alpha": described["loss"]["alpha"], "lr": described["training"]["optimizer"]["lr"]}
                times = {"started": trial.started_at, "ended": trial.ended_at}
                done.append(Done(**point, **times, epochs=len(reports), accuracy=reports[-1][1][METRIC]))
    return began, done


def check_work(name: str, work: Work, done: list[Done]) -> None:
    """SystemExit unless every config was trained, and tracked, for every epoch."""
    trained = sorted((trial.lr, trial.alpha) for trial in done)
    if trained != sorted((config["lr"], config["alpha"]) for config in work.configs):
        raise SystemExit(f"{name}: trained {len(done)} configs, not the {work.trials} that were asked for")
    if short := [trial for trial in done if trial.epochs != work.epochs]:
        raise SystemExit(f"{name}: {len(short)} trials have other than {work.epochs} epochs, as {short[0]}")
    if name in ("bare", "untracked"):
        return
    query = "SELECT count(*) FROM (SELECT 1 FROM metrics WHERE key = ? GROUP BY run_uuid HAVING count(*) = ?)"
    with sqlite3.connect(work.mlflow_db) as connection:
        tracked = connection.execute(query, (METRIC, work.epochs)).fetchone()[0]
    if tracked != work.trials:
        raise SystemExit(f"{name}: MLflow has every epoch of {tracked} trials, not of {work.trials}")


def check_agreement(rows: list[Row]) -> None:
    """SystemExit unless all ways come to the same mean accuracy, within TOLERANCE."""
    means = {row["way"]: row["accuracy"] for row in rows}
    if any(map(math.isnan, means.values())) or max(means.values()) - min(means.values()) > TOLERANCE:
        listed = ", ".join(f"{name} {mean:.4f}" for name, mean in means.items())
        raise SystemExit(f"mean validation accuracies differ by more than {TOLERANCE}: {listed}")


def spread(values: list[float]) -> str:
    """`1.23`, or `1.23 [1.10, 1.41]`: the median with the smallest and the largest."""
    middle = f"{statistics.median(values):.2f}"
    return f"{middle} [{min(values):.2f}, {max(values):.2f}]" if len(values) > 1 else middle


def table(rows: list[Row]) -> str:
    """One line per way: median seconds of each phase, seconds per trial, mean accuracy."""
    head = f"{'way':<8}" + "".join(f"{column:>9}" for column in (*PHASES, "total"))
    lines = [f"{head}  {'s/trial':>20}  {'total/trial':>20}  accuracy"]
    for name in dict.fromkeys(row["way"] for row in rows):
        mine = [row for row in rows if row["way"] == name]
        seconds = "".join(f"{statistics.median(row[c] for row in mine):9.2f}" for c in (*PHASES, "total"))
        per_trial, total = (spread([row[c] for row in mine]) for c in ("per_trial", "total_per_trial"))
        accuracy = statistics.median(row["accuracy"] for row in mine)
        lines.append(f"{name:<8}{seconds}  {per_trial:>20}  {total:>20}  {accuracy:.4f}")
    return "\n".join(lines)


def ratios(rows: list[Row]) -> list[str]:
    """How ours compares with each other way, by both definitions of a trial's seconds, within each repeat."""
    lines = []
    by_repeat = {(row["repeat"], row["way"]): row for row in rows}
    for other in dict.fromkeys(row["way"] for row in rows if row["way"] != "ours"):
        pairs = [(mine, by_repeat[r, other]) for (r, way), mine in by_repeat.items() if way == "ours"]
        if not pairs:
            continue
        training, whole = (
            spread([theirs[column] / mine[column] for mine, theirs in pairs])
            for column in ("per_trial", "total_per_trial")
        )
        lines.append(f"{other} / ours: {training} by s/trial, {whole} by total/trial")
    return lines


def main() -> None:
    """Run the ways, check their work, print and keep their times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), metavar="WAY", help=", ".join(NAMES))
    parser.add_argument("--repeat", type=int, default=1, help="how often the whole is done")
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"at most {MAX_TRIALS}")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write raw results here")
    args = parser.parse_args()
    if not 1 <= args.trials <= MAX_TRIALS or min(args.epochs, args.repeat) < 1:
        parser.error(f"--trials lies in [1, {MAX_TRIALS}], --epochs and --repeat are at least 1")

    facts = describe_run()
    print(f"{headline(facts)}\n{args.trials} trials of {args.epochs} epochs, {args.repeat} time(s)", flush=True)
    names, rows = list(dict.fromkeys(args.only)), []
    for repeat in range(args.repeat):
        turn = repeat % len(names)  # no way always has the coldest, or the busiest, machine
        for name in names[turn:] + names[:turn]:
            row = {"repeat": repeat, **run_way(name, args.trials, args.epochs)}
            print(f"{name}: {row['total']:.1f} s", flush=True)
            rows.append(row)
    rows.sort(key=lambda row: (names.index(row["way"]), row["repeat"]))
    print("", table(rows), "", *ratios(rows), sep="\n")
    write_json(args.json, {**facts, "trials": args.trials, "epochs": args.epochs, "rows": rows})
    check_agreement(rows)


if __name__ == "__main__":
    main()
