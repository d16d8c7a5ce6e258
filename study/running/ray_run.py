"""Running a conductor's trials on Ray Tune."""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Protocol

from study.errors import StudyError
from study.planning.plan import Plan
from study.planning.preflight import num_lanes, places
from study.records.paths import Home, StudyPaths
from study.running.conductor import Conductor
from study.running.confirm import ConfirmCell, ConfirmPlan
from study.running.impatience import Impatience
from study.running.ray_watch import PATIENCE_S, RayWatch
from study.running.site import Cargo, Site
from study.running.stop import StopRequest
from study.spec import StudySpec
from study.storage.checkpoints import checkpoint_storage
from trainables.own import file_of, import_folders, is_own
from trainables.storage import Storage

MANY = 100_000
AT_ONCE = "a stop was asked for, at once"
IMPORT_S = 60.0  # an interrupt in the middle of an import leaves its lock taken, and then no later import ends


class Progress(Protocol):
    """Shows a launch to its user."""

    def stage(self, text: str) -> None:
        """What is going on now."""

    def watch(self, conductor: Conductor) -> None:
        """Trials are about to run; read from the conductor how they fare."""

    def close(self) -> None:
        """Nothing more will happen."""


def run_on_ray(
    conductor: Conductor,
    home: Home,
    progress: Progress,
    wake: Callable[[], None],
    stop: StopRequest,
    site: Site,
    storage: Storage | None = None,
    trainable: Any = None,
) -> None:
    """Run a conductor's trials on Ray Tune until it has no more; `wake` is called when the ledger has news.

    They run at `site`, as `StudyTrainable`, or as another `trainable` that answers like it, and send copies of their
    checkpoints to `storage`, if any.

    StudyError where Ray is not there or a part of it cannot run them, or the ledger cannot be written any more.
    """
    spec = conductor.plan.spec
    paths = home.study(spec.name)
    progress.stage(site.beginning)
    waiting = MANY if site.shared else site.processes(spec) * places(spec)  # on a cluster the searcher says how many
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(waiting)
    cargo = cargo_of(conductor.plan)
    tune_imported = threading.Thread(target=importlib.import_module, args=("study.running.lanes",), daemon=True)
    tune_imported.start()  # which takes a second or two, and Ray's processes take longer to start

    def leave(why: str) -> NoReturn:
        _leave(progress, stop, site, scratch, why)

    def abandon_and_leave(why: str) -> NoReturn:
        _abandon(conductor, stop, why)
        leave(why)

    with (
        tempfile.TemporaryDirectory(prefix="study-ray-", ignore_cleanup_errors=True) as scratch,
        Impatience(stop, partial(abandon_and_leave, AT_ONCE)),
    ):
        stop.shield_children()
        try:
            site.connect(Path(scratch), cargo)
        except SystemExit:  # Ray answers SIGTERM itself while it starts
            raise KeyboardInterrupt from None
        finally:
            tune_imported.join(IMPORT_S)  # an import that is going on may keep the program from ending
        leaving = threading.Timer(PATIENCE_S, lambda: leave(why_it_ends(str(watch.died), stop)))
        leaving.daemon = True
        tuner = hosts = processes = room = silent = None
        try:
            stop.listen()  # Ray's start takes SIGTERM, and the shield SIGHUP
            site.look(spec, home, cargo, progress.stage, storage)
            progress.watch(conductor)
            from ray import tune
            from ray.tune import TuneError

            from study.running.control import CountedRoom, anywhere, controlled
            from study.running.failures import Failures, OwnProcesses
            from study.running.host_watch import HostWatch
            from study.running.lanes import Hosts, host_settings
            from study.running.tuning import ConductorStopper, InTurn, LedgerCallback, PlanSearcher
            from trainables.base import StudyTrainable

            laned = num_lanes(spec) > 1 and trainable is None
            failures = Failures(site)
            hosts = Hosts(host_settings(spec, Path(scratch), site), spec, site) if laned else None
            processes = hosts or OwnProcesses(failures, spec.resources.timeout_s)
            if hosts:
                room = hosts.room()
            elif site.shared or site.bound() is not None:
                room = CountedRoom(partial(site.processes, spec), anywhere)
            settings_of = partial(run_settings, spec, home, paths, scratch, site, storage)
            resources = {"cpu": spec.resources.cpus, "gpu": spec.resources.gpus}
            tuner = tune.Tuner(
                tune.with_resources(trainable or StudyTrainable, resources),
                tune_config=tune.TuneConfig(
                    metric="score", mode="max", num_samples=-1, reuse_actors=not laned, scheduler=InTurn(),
                    search_alg=PlanSearcher(conductor, partial(at_most, spec, site, hosts), settings_of),
                ),
                run_config=tune.RunConfig(
                    name="tune", storage_path=scratch, verbose=0, log_to_file=False,
                    stop=ConductorStopper(conductor, wake),
                    callbacks=[LedgerCallback(conductor, processes, failures, site.news)],
                    checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                    failure_config=tune.FailureConfig(max_failures=spec.resources.retries),
                ),
            )  # fmt: skip
            watch = RayWatch(stop, site.lost, site.end, lambda died: abandon_and_leave(why_it_ends(died, stop)))
            silent = HostWatch(processes.watch)
            try:
                with watch, silent, site.following(stop), controlled(failures.excused, room):
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
                _abandon(conductor, stop, why_it_ends(watch.died, stop))
                leaving.start()  # Ray may wait for a GCS that is gone, and then ends the program without a word
        finally:
            try:
                progress.stage("stopping Ray")
                del tuner, hosts, processes, room, silent
                gc.collect()  # futures that another thread lets go of once Ray is gone end the program without a word
            finally:
                site.leave(Path(scratch))
                leaving.cancel()
    if stop.insisted:  # and a library that was called meanwhile kept the interrupt to itself
        raise KeyboardInterrupt


def cargo_of(plan: Plan | ConfirmPlan) -> Cargo:
    """What a plan's trials need wherever they run."""
    cells = [cell.cell if isinstance(cell, ConfirmCell) else cell for cell in plan.cells]
    names = {name for cell in cells for name in (cell.family.family, cell.task.model.name, cell.task.source["name"])}
    datasets = {cell.task.dataset.title: cell.task.source for cell in cells}
    return Cargo(sorted(filter(is_own, names)), list(datasets.values()), isinstance(plan, ConfirmPlan))


def at_most(spec: StudySpec, site: Site, hosts: Any) -> int:
    """How many trials may have been handed out and have not ended: where each has a worker, as many wait as run."""
    if hosts:
        return int(hosts.places)
    return site.processes(spec) if site.bound() is not None else 2 * site.processes(spec)


def why_it_ends(died: str, stop: StopRequest) -> str:
    """What a launch is left for when what it stands on is gone: who ends a group of processes ends Ray's too."""
    return f"a stop was asked for, and {died}" if stop.asked else died


def _abandon(conductor: Conductor, stop: StopRequest, why: str) -> None:
    if stop.asked:  # by a signal that the main thread, waiting for Ray, did not hear
        stop.file.touch()
    conductor.abandon(why)


def _leave(progress: Progress, stop: StopRequest, site: Site, scratch: str, why: str) -> NoReturn:
    """End the program from another thread than the main one, which Ray does not give back."""
    code = 130 if stop.asked else 1
    site.end()
    progress.close()
    progress.stage(f"{why}: what was reported is saved; the same command goes on")
    stop.file.unlink(missing_ok=True)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(code)


def run_settings(
    spec: StudySpec, home: Home, paths: StudyPaths, scratch: str, site: Site, storage: Storage | None, key: str
) -> dict[str, Any]:
    """How a worker runs a trial: nothing in it changes the trial's numbers but the number of threads."""
    own = [*(family.family for family in spec.families), *(model.name for model in spec.model)]
    here = {
        "store": str(paths.checkpoint(key)),
        "storage": checkpoint_storage(storage, paths.name, key).uri if storage else None,
        "import_from": import_folders(),
        "planned_from": {path: str(file_of(path)) for path in own if is_own(path)},
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
    return site.settings(here)
