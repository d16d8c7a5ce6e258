"""What Ray Tune itself costs per trial, for two ways of getting a trial to an engine.

    python -m benchmarks.tune_overhead --concurrent 2 4 8
    TUNE_MAX_PENDING_TRIALS_PG=2 python -m benchmarks.tune_overhead --design direct --concurrent 2

    direct   every trial is a Trainable that would train in its own, reused actor
    host     thin Trainables that call a method of one shared actor, which holds most of the CPU

The trials are empty: they report `--reports` times, each after sleeping `--seconds`, and end, so that apart from the
sleep all time is overhead. `--concurrent` trials share the two cores. Ray is started afresh for every measurement and
its start timed apart from `Tuner.fit()`. `worker_processes` counts what Ray started, `actor_processes` those of them
that reported. `cpu_s` is the CPU time of this process and of all it started during `fit()`; processes that ended
before their first report are missed. Settings of Ray and Tune are read from the environment; what is set below is
only what is not there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_run, headline, write_json

SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "8",
}
os.environ.update({name: value for name, value in SETTINGS.items() if name not in os.environ})  # Ray reads them now

import psutil
import ray
from ray import tune
from ray._private.worker import global_worker
from ray.tune.search import Searcher

CPUS = 2
HOST_CPUS = 1.5  # of which the host actor takes so many and leaves the rest to the thin trials

Row = dict[str, Any]


class Queue(Searcher):
    """Hands out configs; waits while `hold` trials are unfinished, as an adaptive search does."""

    def __init__(self, configs: Iterable[dict[str, Any]], hold: int | None) -> None:
        super().__init__(metric="value", mode="min")
        self.waiting, self.live, self.hold = list(configs), set[str](), hold

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if not self.waiting:
            return Searcher.FINISHED
        if self.hold is not None and len(self.live) >= self.hold:
            return None
        self.live.add(trial_id)
        return self.waiting.pop()

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self.live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        pass  # nothing is ever restored

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError


class Direct(tune.Trainable):
    """Would train here: the actor is kept and given the next config."""

    def setup(self, config: dict[str, Any]) -> None:
        if config["torch"]:
            import torch  # noqa: F401  (what a worker with an engine pays)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.reports, self.seconds = new_config["reports"], new_config["seconds"]
        return True

    def step(self) -> Row:
        time.sleep(self.seconds)
        used = {os.getpid(): time.process_time()}
        return {"value": 1.0, "cpu": used, "done": self.iteration + 1 >= self.reports}


@ray.remote
class Host:
    """The one actor that would hold the engine."""

    def __init__(self, torch: bool) -> None:
        if torch:
            import torch as _  # noqa: F401

    def report(self) -> dict[int, float]:
        return {os.getpid(): time.process_time()}


class Thin(Direct):
    """Trains nothing: it asks the host for every report."""

    def setup(self, config: dict[str, Any]) -> None:
        self.host = ray.get_actor("host")
        self.reset_config(config)

    def step(self) -> Row:
        theirs = ray.get(self.host.report.remote())
        mine = super().step()
        return {**mine, "cpu": mine["cpu"] | theirs}


class Watch(tune.Callback):
    """Notes when the first report came, who reported, and the CPU time that each worker says it has used."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.actors: set[int] = set()
        self.cpu: dict[int, float] = {}

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Row, **info: Any) -> None:
        self.first = self.first or time.perf_counter()
        self.actors |= set(result["cpu"])
        self.cpu |= result["cpu"]


def tree_cpu() -> dict[int, float]:
    """CPU seconds by process, of this one and of everything it started that still lives."""
    used, me = {}, psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:  # it ended meanwhile
            continue
        used[process.pid] = times.user + times.system
    return used


def measure(design: str, concurrent: int, args: argparse.Namespace) -> Row:
    """One fresh Ray, one `fit()`."""
    begun = time.perf_counter()
    ray.init(address="local", num_cpus=CPUS, include_dashboard=False, log_to_driver=False, logging_level="error")
    config = {"torch": args.torch, "reports": args.reports, "seconds": args.seconds}
    trainable, cpus = (Direct, CPUS) if design == "direct" else (Thin, CPUS - HOST_CPUS)
    watch, before, fit_begun = Watch(), tree_cpu(), time.perf_counter()
    if design == "host":  # it starts while fit() does, and lives as long as this handle
        host = Host.options(name="host", num_cpus=HOST_CPUS, max_concurrency=concurrent).remote(args.torch)  # noqa: F841
    with tempfile.TemporaryDirectory(prefix="tune-overhead-") as folder:
        results = tune.Tuner(
            tune.with_resources(trainable, {"cpu": cpus / concurrent}),
            tune_config=tune.TuneConfig(
                search_alg=Queue([config] * args.trials, args.hold), num_samples=-1, reuse_actors=True
            ),
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
    return {
        "design": design,
        "concurrent": concurrent,
        "ray_start_s": fit_begun - begun,
        "fit_s": fit_ended - fit_begun,
        "per_trial_s": (fit_ended - fit_begun) / args.trials,
        "first_report_s": watch.first - fit_begun,
        "after_first_per_trial_s": (fit_ended - watch.first) / args.trials,
        "actor_processes": len(watch.actors),
        "worker_processes": len(list(logs.glob("worker-*.err"))),
        "cpu_s": sum(seconds - before.get(pid, 0.0) for pid, seconds in (watch.cpu | after).items()),
    }


def print_medians(rows: list[Row]) -> None:
    """One line per design and concurrency."""
    first, second, *names = rows[0]
    print(f"{first:>10} {second:>10}", *(f"{name:>{max(10, len(name))}}" for name in names))
    for key in dict.fromkeys((row[first], row[second]) for row in rows):
        same = [row for row in rows if (row[first], row[second]) == key]
        medians = (f"{statistics.median(row[n] for row in same):>{max(10, len(n))}.3f}" for n in names)
        print(f"{key[0]:>10} {key[1]:>10}", *medians)


def main() -> None:
    """Measure every design at every concurrency."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--design", nargs="+", choices=["direct", "host"], default=["direct", "host"])
    parser.add_argument("--concurrent", nargs="+", type=int, default=[2, 4, 8])
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--reports", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--hold", type=int, help="the searcher waits while this many trials are unfinished")
    parser.add_argument("--seconds", type=float, default=0.0, help="sleep before each report; with it all actors work")
    parser.add_argument("--torch", action="store_true", help="import torch where the engine would live")
    parser.add_argument("--json", type=Path, help="write raw results here")
    args = parser.parse_args()

    facts = describe_run()
    print(
        f"{headline(facts)}\n{args.trials} empty trials of {args.reports} reports, {args.repeats} time(s)", flush=True
    )
    conditions = [(design, concurrent) for design in args.design for concurrent in args.concurrent]
    rows = [measure(*condition, args) for _ in range(args.repeats) for condition in conditions]
    print_medians(rows)
    options = {name: value for name, value in vars(args).items() if name != "json"}
    settings = {name: value for name, value in os.environ.items() if name.startswith(("TUNE_", "RAY_"))}
    write_json(args.json, {**facts, "options": options, "settings": settings, "rows": rows})


if __name__ == "__main__":
    main()
