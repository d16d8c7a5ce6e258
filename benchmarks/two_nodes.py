"""What it costs that a study is spread: the same one on a node of two cores, and on two nodes of one.

    python -m benchmarks.two_nodes                          three studies on each, in turn
    python -m benchmarks.two_nodes --rounds 1 --trials 8

Nodes are raylets of this machine (`simulated_cluster.py`), so that the cores are the same, and so is the disk. Each
study is launched by `study launch --address` in a process of its own with an empty home, MLflow on; times are from its
first trial's start to its last one's end, in the ledger. The ratio is that of the shortest of each.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.machine import ROOT, describe_run, headline, write_json
from benchmarks.simulated_cluster import simulated_cluster

KINDS = {"one node of two cores": [2], "two nodes of one core": [1, 1]}
GOAL = 1.10
STUDY = """\
name: spread
dataset: digits
noise: {{rate: 0.4}}
model: small_cnn
families: [ce, tce]
training: {{epochs: 15, optimizer: {{name: sgd, lr: {{loguniform: [0.01, 0.1]}}}}}}
search: {{name: random, configs: {configs}, repeats: 1}}
resources: {{cpus: 1, lanes: 1}}
"""


def seconds(kind: str, trials: int) -> float:
    """One study on one kind of cluster."""
    with tempfile.TemporaryDirectory(prefix="two-nodes-") as folder, simulated_cluster(KINDS[kind]) as cluster:
        file = Path(folder, "spread.yaml")
        file.write_text(STUDY.format(configs=trials // 2), encoding="utf-8")
        command = [sys.executable, "-m", "study.cli", "launch", str(file), "--address", cluster.address]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "STUDY_HOME": folder}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{kind}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        with closing(sqlite3.connect(Path(folder, "spread", "ledger.db"))) as ledger:
            query = "select max(ended_at) - min(started_at), count(*) from trials where state = 'completed'"
            took, ended = ledger.execute(query).fetchone()
        if ended != trials:
            raise SystemExit(f"{kind}: {ended} of {trials} trials completed")
        return float(took)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--json", type=Path, help="write raw results here")
    args = parser.parse_args()
    facts, times = describe_run(), {kind: [] for kind in KINDS}
    print(headline(facts))
    for _ in range(args.rounds):
        for kind, taken in times.items():
            taken.append(seconds(kind, args.trials))
            print(f"{kind}: {taken[-1]:.1f} s", flush=True)
    one, two = (min(taken) for taken in times.values())
    print(f"two nodes take {two / one:.2f} of the time of one (goal {GOAL} at most), {args.trials} trials")
    write_json(args.json, {**facts, "trials": args.trials, "seconds": times, "ratio": two / one, "goal": GOAL})


if __name__ == "__main__":
    main()
