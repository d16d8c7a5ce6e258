"""Running a conductor's trials on Ray Tune."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Protocol

from study.errors import StudyError
from study.planning.preflight import num_lanes, num_workers, places
from study.records.environment import usable_cpus
from study.records.paths import Home, StudyPaths
from study.running.conductor import Conductor
from study.running.ray_watch import PATIENCE_S, RayWatch
from study.running.stop import StopRequest
from study.security.ray_token import keep_token_private
from study.spec import StudySpec

# Ray's own tables and loggers are off: the ledger keeps the results, the command shows them.
RAY_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # one machine: all that Ray starts listens on 127.0.0.1 alone
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


class Progress(Protocol):
    """Shows a launch to its user."""

    def stage(self, text: str) -> None:
        """What is going on now."""

    def watch(self, conductor: Conductor) -> None:
        """Trials are about to run; read from the conductor how they fare."""

    def close(self) -> None:
        """Nothing more will happen."""


def settle_environment() -> None:
    """Tell Ray how to behave; before it is imported."""
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def run_on_ray(
    conductor: Conductor,
    home: Home,
    progress: Progress,
    wake: Callable[[], None],
    stop: StopRequest,
    trainable: Any = None,
) -> None:
    """Run a conductor's trials on Ray Tune until it has no more; `wake` is called when the ledger has news.

    They run as `StudyTrainable`, or as another `trainable` that answers like it.

    StudyError where Ray does not start, or the ledger cannot be written any more.
    """
    spec = conductor.plan.spec
    paths = home.study(spec.name)
    progress.stage("starting Ray")
    slots = num_workers(spec) * places(spec)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
    keep_token_private()
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)  # after the import, which sets it
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # why a trial failed stands in the ledger
    tune_imported = threading.Thread(target=importlib.import_module, args=("study.running.lanes",), daemon=True)
    tune_imported.start()  # which takes a second or two, and Ray's processes take longer to start

    with tempfile.TemporaryDirectory(prefix="study-ray-") as scratch:
        stop.shield_children()
        try:
            ray.init(
                address="local", num_cpus=usable_cpus(), include_dashboard=False, log_to_driver=False,
                configure_logging=False, logging_level=logging.ERROR,
            )  # fmt: skip
        except SystemExit:  # Ray answers SIGTERM itself while it starts
            raise KeyboardInterrupt from None
        except Exception as problem:  # whatever keeps a local cluster from starting
            said = str(problem).strip().splitlines()[-1][:300] if str(problem).strip() else type(problem).__name__
            raise StudyError(f"Ray did not start: {said}; 'study doctor' says what this machine lacks") from None
        finally:
            tune_imported.join()  # before the program ends, too: an import that is going on may keep it from that
        leaving = threading.Timer(PATIENCE_S, lambda: _leave(progress, stop, scratch, str(watch.died)))
        leaving.daemon = True
        try:
            stop.listen()  # Ray's start takes SIGTERM, and the shield SIGHUP
            progress.watch(conductor)
            from ray import tune
            from ray.tune import TuneError

            from study.running.host_watch import HostWatch
            from study.running.lanes import Hosts, host_settings, trials_in_lanes
            from study.running.tuning import ConductorStopper, InTurn, LedgerCallback, OwnProcesses, PlanSearcher
            from trainables.base import StudyTrainable

            laned = num_lanes(spec) > 1 and trainable is None
            at_most = slots if laned else 2 * slots
            hosts = Hosts(host_settings(spec, Path(scratch))) if laned else None
            processes = hosts or OwnProcesses(spec.resources.timeout_s)
            settings_of = partial(run_settings, spec, home, paths, scratch)
            resources = {"cpu": spec.resources.cpus, "gpu": spec.resources.gpus}
            tuner = tune.Tuner(
                tune.with_resources(trainable or StudyTrainable, resources),
                tune_config=tune.TuneConfig(
                    metric="score", mode="max", num_samples=-1, reuse_actors=not laned, scheduler=InTurn(),
                    search_alg=PlanSearcher(conductor, at_most, settings_of),
                ),
                run_config=tune.RunConfig(
                    name="tune", storage_path=scratch, verbose=0, log_to_file=False,
                    stop=ConductorStopper(conductor, wake), callbacks=[LedgerCallback(conductor, processes)],
                    checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                    failure_config=tune.FailureConfig(max_failures=spec.resources.retries),
                ),
            )  # fmt: skip
            watch = RayWatch(stop, lambda died: _abandon_and_leave(conductor, progress, stop, scratch, died))
            try:
                with watch, HostWatch(processes.end_silent), trials_in_lanes(hosts) if hosts else nullcontext():
                    tuner.fit()
            except TuneError:
                if conductor.ledger.failure is None:
                    raise
                raise StudyError(
                    f"{paths.ledger}: {conductor.ledger.failure}; what was reported before is saved; make room, and "
                    "the same command goes on"
                ) from None
            except KeyboardInterrupt:
                if watch.died is None:
                    raise
                conductor.abandon(died_of(watch.died))
                leaving.start()  # Ray may wait for a GCS that is gone, and then ends the program without a word
        finally:
            progress.stage("stopping Ray")
            del tuner, hosts, processes
            gc.collect()  # futures that another thread lets go of once Ray is gone end the program without a word
            ray.shutdown()
            leaving.cancel()


def died_of(process: str) -> str:
    """What a launch is given up for when a process of Ray's is gone."""
    return f"Ray's {process} died"


def _abandon_and_leave(
    conductor: Conductor, progress: Progress, stop: StopRequest, scratch: str, died: str
) -> NoReturn:
    conductor.abandon(died_of(died))
    _leave(progress, stop, scratch, died)


def _leave(progress: Progress, stop: StopRequest, scratch: str, died: str) -> NoReturn:
    """End the program from another thread than the main one, which Ray does not give back."""
    code = 130 if stop.asked else 1
    progress.close()
    progress.stage(f"{died_of(died)}: what was reported is saved; the same command goes on")
    stop.file.unlink(missing_ok=True)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(code)


def run_settings(spec: StudySpec, home: Home, paths: StudyPaths, scratch: str, key: str) -> dict[str, Any]:
    """How a worker runs a trial: nothing in it changes the trial's numbers but the number of threads."""
    return {
        "store": str(paths.checkpoint(key)),
        "import_from": [folder for folder in sys.path if folder],
        "cache": str(home.cache),
        "stop_file": str(paths.stop),
        "timeout_s": spec.resources.timeout_s,
        "hang_file": str(Path(scratch, f"{key}.hang")),
        "report_interval_s": spec.resources.report_interval_s,
        "checkpoint_interval_s": spec.resources.checkpoint_interval_s,
        "threads": max(1, int(spec.resources.cpus)),
        "alone": False,
        "device": "cuda" if spec.resources.gpus else "cpu",
    }
