"""What Ray Tune itself costs per trial, for two ways of getting a trial to an engine.

``direct``: every trial is a Trainable that trains in its own (reused) actor.
``host``: thin Trainables that call a method of one shared actor, which holds most of the CPU.

The trials are empty: they report a few times and end, so all of the time is overhead. Ray is
started afresh for every measurement and its start is timed apart from ``Tuner.fit()``.
Tune's and Ray's settings are read from the environment, so they can be varied from outside:

    TUNE_MAX_PENDING_TRIALS_PG=8 python benchmarks/tune_overhead.py --concurrent 2 4 8
"""

from __future__ import annotations

import os

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}
os.environ.update(QUIET)

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import tune
from ray._private.worker import global_worker
from ray.tune.search import Searcher

CPUS = 2


class Queue(Searcher):
    """Hands out configs; waits (None) while ``hold`` trials are unfinished, as an adaptive search does."""

    def __init__(self, configs: Iterable[dict[str, Any]], hold: int | None = None) -> None:
        super().__init__(metric="value", mode="min")
        self.waiting, self.live, self.hold = list(configs), set[str](), hold

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if not self.waiting:
            return Searcher.FINISHED
        if self.hold is not None and len(self.live) >= self.hold:
            return None
        self.live.add(trial_id)
        return self.waiting.pop(0)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self.live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a study is resumed from its ledger, never from Tune's snapshot."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError


class Direct(tune.Trainable):
    """Trains here: the actor is kept and given the next config."""

    def setup(self, config: dict[str, Any]) -> None:
        if config["torch"]:
            import torch  # noqa: F401
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.reports, self.seconds = new_config["reports"], new_config["seconds"]
        return True

    def step(self) -> dict[str, Any]:
        time.sleep(self.seconds)
        last = self.iteration + 1 >= self.reports
        return {"value": 1.0, "cpu": time.process_time(), "done": last}


@ray.remote
class Host:
    """The one actor that would hold the engine."""

    def __init__(self, torch: bool) -> None:
        if torch:
            import torch as _  # noqa: F401

    def report(self) -> tuple[int, float]:
        return os.getpid(), time.process_time()


class Thin(Direct):
    """Trains nothing: it asks the host for every report."""

    def setup(self, config: dict[str, Any]) -> None:
        self.host = ray.get_actor("host")
        self.reset_config(config)

    def step(self) -> dict[str, Any]:
        pid, cpu = ray.get(self.host.report.remote())
        return super().step() | {"host_pid": pid, "host_cpu": cpu}


class Watch(tune.Callback):
    """Notes the first report and the CPU time each worker process says it has used."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.cpu: dict[int, float] = {}

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:
        self.first = self.first or time.perf_counter()
        self.cpu[result["pid"]] = result["cpu"]
        if "host_pid" in result:
            self.cpu[result["host_pid"]] = result["host_cpu"]


def tree_cpu() -> dict[int, float]:
    """CPU seconds of this process and everything it started that still lives (actors that ended unheard are missed)."""
    me, used = psutil.Process(), {}
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        used[process.pid] = times.user + times.system
    return used


def measure(design: str, concurrent: int, args: argparse.Namespace) -> dict[str, Any]:
    """One fresh Ray, one ``fit()``."""
    begun = time.perf_counter()
    ray.init(
        address="local",
        num_cpus=CPUS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
    )
    config = {"torch": args.torch, "reports": args.reports, "seconds": args.seconds}
    searcher = Queue((config for _ in range(args.trials)), args.hold)
    watch = Watch()
    share = CPUS / concurrent if design == "direct" else 0.5 / concurrent
    before, fit_begun = tree_cpu(), time.perf_counter()
    if design == "host":  # starts while fit() does; the thin trials share the half CPU left over
        options = {"name": "host", "num_cpus": CPUS - 0.5, "max_concurrency": concurrent}
        host = Host.options(**options).remote(args.torch)  # noqa: F841 (the handle keeps it alive)
    with tempfile.TemporaryDirectory(prefix="tune_overhead_") as folder:
        results = tune.Tuner(
            tune.with_resources(Direct if design == "direct" else Thin, {"cpu": share}),
            tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
            run_config=tune.RunConfig(
                storage_path=folder,
                verbose=0,
                callbacks=[watch],
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            ),
        ).fit()
    fit_ended, after = time.perf_counter(), tree_cpu()
    if len(results) != args.trials or results.errors or watch.first is None:
        raise SystemExit(f"{design}: {len(results)} of {args.trials} trials, errors: {results.errors}")
    logs = Path(global_worker.node.get_session_dir_path(), "logs")
    ray.shutdown()
    spent = watch.cpu | after
    return {
        "design": design,
        "concurrent": concurrent,
        "ray_start_s": fit_begun - begun,
        "fit_s": fit_ended - fit_begun,
        "per_trial_s": (fit_ended - fit_begun) / args.trials,
        "first_report_s": watch.first - fit_begun,
        "after_first_per_trial_s": (fit_ended - watch.first) / args.trials,
        "actor_processes": len(watch.cpu),
        "worker_processes": len(list(logs.glob("worker-*.err"))),
        "cpu_s": sum(seconds - before.get(pid, 0.0) for pid, seconds in spent.items()),
    }


def hardware() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {"cpus": os.cpu_count(), "model": names[0] if names else platform.processor()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--design", nargs="+", choices=["direct", "host"], default=["direct", "host"])
    parser.add_argument("--concurrent", nargs="+", type=int, default=[2, 4, 8])
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--reports", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--hold", type=int, help="the searcher waits while this many trials are unfinished")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="sleep before each report, so that every actor gets work"
    )
    parser.add_argument("--torch", action="store_true", help="import torch where the engine would live")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "8")
    rows = []
    for design in args.design:
        for concurrent in args.concurrent:
            rows += [measure(design, concurrent, args) for _ in range(args.repeats)]
    names = [name for name in rows[0] if name not in ("design", "concurrent")]
    print(" ".join(f"{name:>{max(10, len(name))}}" for name in rows[0]))
    for key in dict.fromkeys((row["design"], row["concurrent"]) for row in rows):
        same = [row for row in rows if (row["design"], row["concurrent"]) == key]
        medians = [f"{statistics.median(row[n] for row in same):>{max(10, len(n))}.3f}" for n in names]
        print(f"{key[0]:>10} {key[1]:>10}", *medians)
    if args.json:
        settings = {k: v for k, v in os.environ.items() if k.startswith(("TUNE_", "RAY_"))}
        about = {"hardware": hardware(), "ray": ray.__version__, "n": args.trials, "repeats": args.repeats}
        options = {k: v for k, v in vars(args).items() if k != "json"}
        document = about | {"options": options, "settings": settings, "rows": rows}
        args.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
