"""What the driver of a study bears: many simulated nodes on this machine, and trials that sleep and report.

    python -m benchmarks.cluster_scale                                    64 nodes of one core, 10,000 trials
    python -m benchmarks.cluster_scale --nodes 8 --trials 200 --no-track

Every node is a raylet of its own with its agents, as on a machine of its own, and offers `--cpus` cores that are not
there. The study is launched as `study launch --address` does it, in a process of its own; only the trainable is another
(`SleepingTrainable`), which reports an epoch after each `--every` seconds. In the middle a node is killed.

    reports_s    epochs in the ledger for each second between the first and the last
    ideal_s      the same, if a trial began the instant another ended and nothing but sleep took time
    share        reports_s / ideal_s
    driver_cpu   CPU time of the driver process for each second of it, in cores; machine_cpu: of all processes
    driver_mib   its memory at the end
    noticed_s    from the kill to the event in the ledger
    node_mib     memory that a node takes before it trains; busy_mib: of all of it when the node is killed
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import ROOT, describe_run, headline, write_json
from benchmarks.simulated_cluster import simulated_cluster
from study.records.paths import Home

NAME = "many"
FAMILIES = ["ce", "tce"]
AGENTS_S = 5.0  # for the nodes' agents to come up
LOST = 0.4  # of the trials have ended when a node is killed


def study_file(args: argparse.Namespace) -> str:
    """The study, as text."""
    from study.spec.yaml_file import to_yaml

    values = {
        "name": NAME,
        "dataset": "digits",
        "model": {"name": "mlp", "hidden": 8},
        "families": FAMILIES,
        "training": {"epochs": args.epochs, "optimizer": {"name": "sgd", "lr": {"loguniform": [0.001, 1.0]}}},
        "search": {"name": "random", "configs": args.trials // len(FAMILIES), "repeats": 1},
        "scheduler": "none",
        "resources": {"report_interval_s": args.every, "retries": 3},
        "tracking": {"enabled": args.track},
    }
    return to_yaml(values)


class Watched:
    """A launch's progress, silent; from the first trial on it notes the CPU time."""

    def stage(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def watch(self, conductor: Any) -> None:
        self.began, self.cpu = time.time(), time.process_time()

    def close(self) -> None:
        self.cpu_share = (time.process_time() - self.cpu) / (time.time() - self.began)
        self.mib = psutil.Process().memory_info().rss / 2**20


def launch(folder: Path, address: str, args: argparse.Namespace) -> dict[str, float]:
    """The study, in this process."""
    from study.running.cluster.site import RunningCluster

    site = RunningCluster(address)
    site.settle()
    from benchmarks.idle import SleepingTrainable
    from study.running.launch import launch as run
    from study.spec.study_file import parse_spec
    from study.spec.yaml_file import parse_document

    document = parse_document(study_file(args), str(folder / "many.yaml"))
    watched = Watched()
    began = time.time()
    outcome = run(parse_spec(document), document, Home(folder), watched, trainable=SleepingTrainable, site=site)
    if sum(outcome.ran.values()) != outcome.ran.get("completed") or outcome.tracking_problem:
        raise SystemExit(f"not all completed: {outcome}")
    return {
        "launch_s": time.time() - began,
        "before_s": watched.began - began,
        "driver_cpu": watched.cpu_share,
        "driver_mib": watched.mib,
    }


def answer(ledger: Path, query: str) -> list[tuple[Any, ...]]:
    """What the ledger says now; nothing while it is not there."""
    try:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=30)) as opened:
            return opened.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def kill_a_node(cluster: Any, ledger: Path, args: argparse.Namespace, told: dict[str, float]) -> None:
    """When a part of the trials has ended; `told` gets when, and how much memory was free then."""
    wanted, completed = int(LOST * args.trials), "select count(*) from trials where state = 'completed'"
    while not (found := answer(ledger, completed)) or found[0][0] < wanted:
        time.sleep(0.5)
    node = min(cluster.worker_nodes, key=str)
    told |= {"killed": time.time(), "free": psutil.virtual_memory().available}
    cluster.remove_node(node, allow_graceful=False)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The nodes, the study in a process of its own, and what its ledger says afterwards."""
    told: dict[str, float] = {}
    free, began = psutil.virtual_memory().available, time.time()
    with simulated_cluster([args.cpus] * args.nodes) as cluster:
        nodes_s = time.time() - began
        time.sleep(AGENTS_S)
        node_mib = (free - psutil.virtual_memory().available) / 2**20 / args.nodes
        with tempfile.TemporaryDirectory(prefix="cluster-scale-") as folder:
            ledger = Path(folder, NAME, "ledger.db")
            threading.Thread(target=kill_a_node, args=(cluster, ledger, args, told), daemon=True).start()
            idle = psutil.cpu_times().idle
            row = _launched(folder, cluster.address, args)
            idle = psutil.cpu_times().idle - idle
            return row | _from_ledger(ledger, args, told) | {
                "nodes_s": nodes_s, "node_mib": node_mib, "busy_mib": (free - told["free"]) / 2**20,
                "machine_cpu": psutil.cpu_count() - idle / row["launch_s"],
            }  # fmt: skip


def _launched(folder: str, address: str, args: argparse.Namespace) -> dict[str, Any]:
    words = ["--here", folder, "--address", address, "--trials", str(args.trials), "--epochs", str(args.epochs)]
    words += ["--every", str(args.every), *([] if args.track else ["--no-track"])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cluster_scale", *words], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the launch ended with {done.returncode}: {done.stdout}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _from_ledger(ledger: Path, args: argparse.Namespace, told: dict[str, float]) -> dict[str, Any]:
    times = "min(json_extract(metrics, '$.time')), max(json_extract(metrics, '$.time')), count(*)"
    ((first, last, reports),) = answer(ledger, f"select {times} from reports")
    ((left,),) = answer(ledger, "select min(time) from events where message like '%left the cluster%'")
    ((retried,),) = answer(ledger, "select count(*) from events where kind = 'retried'")
    span, at_a_time = last - first, args.nodes * args.cpus
    return {
        "trials": args.trials, "at_a_time": at_a_time, "reports": reports, "span_s": span,
        "reports_s": reports / span, "ideal_s": at_a_time / args.every,
        "share": reports / span * args.every / at_a_time, "trials_s": args.trials / span, "retried": retried,
        "noticed_s": left and left - told["killed"],
        "ledger_mib": ledger.stat().st_size / 2**20,
    }  # fmt: skip


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--cpus", type=int, default=1, help="that each node offers")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between reports of a trial")
    parser.add_argument("--track", action=argparse.BooleanOptionalAction, default=True, help="MLflow")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write raw results here")
    args = parser.parse_args()
    if args.here is not None:
        print(json.dumps(launch(args.here, args.address, args)))
        return
    facts = describe_run()
    print(headline(facts))
    row = measure(args)
    for name, value in row.items():
        print(f"{name:>12} {value:.4g}" if isinstance(value, float) else f"{name:>12} {value}")
    write_json(args.json, {**facts, "options": {**vars(args), "json": None}, "row": row})


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
