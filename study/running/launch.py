"""A study's two phases, each as one call: the search that `study launch` runs, and its confirmation."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from study.planning.drift import drift, new_code, other_code, refuse
from study.planning.feasibility import check_budget, check_feasible, doubts
from study.planning.plan import Plan, make_plan
from study.planning.preflight import check_against_ledger
from study.planning.warm_start import check_warm_start
from study.records.environment import describe_environment
from study.records.ledger import Ledger
from study.records.lock import WriterLock
from study.records.paths import Home, StudyPaths
from study.redaction import hidden
from study.running.conductor import Conductor
from study.running.confirm import ConfirmAgenda, make_confirm_plan
from study.running.oracle import ask_oracle
from study.running.ray_run import Progress, run_on_ray
from study.running.site import Site, ThisMachine
from study.running.stop import StopRequest
from study.spec import ConfirmSpec, StudySpec
from study.spec.study_file import folder_of_modules
from study.spec.yaml_file import Document
from study.storage.checkpoints import reached, remember_storage
from study.storage.follow import CopyFollower
from study.storage.owner import Ownership
from study.storage.study_copy import StudyCopy
from study.tracking import make_tracker, tracking_uri
from study.tracking.links import run_links
from trainables.storage import Storage


@dataclass(frozen=True)
class Outcome:
    """What a launch came to. `ran` counts the trials that ended in it by state, `given_up` says why it was.

    It was `interrupted` by the user, or where it `timed_out`. `experiment` is the name of the study's in MLflow,
    `storage_problem` why its copy in a storage is behind.
    `left_out` says in a sentence each which cells have nothing to confirm, `notes` which have less than was asked for.
    """

    paths: StudyPaths
    ran: dict[str, int]
    interrupted: bool
    given_up: str | None
    tracking_uri: str | None
    tracking_problem: str | None
    experiment: str | None = None
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    timed_out: bool = False
    storage_problem: str | None = None


def launch(
    spec: StudySpec,
    document: Document,
    home: Home,
    progress: Progress,
    *,
    strict: bool = False,
    limit_s: float | None = None,
    trainable: Any = None,
    site: Site | None = None,
    storage: Storage | None = None,
) -> Outcome:
    """Make the world match the study: run the trials that are missing and return when there are none.

    Blocks. SIGINT or SIGTERM once: trials finish their epoch, save and leave; twice, or while data is prepared: it
    ends at once, as KeyboardInterrupt, and nothing that was reported is lost. After `limit_s` seconds, if any, it ends
    as after one SIGINT. StudyError for what its user can mend; a mistake in the file, or a trial too large for the
    machine, is refused before anything is started, and before anything but the data's cache is written. What changed in
    code and versions since its trials ran is said, or refused where `strict`. It runs at `site`, by default on a Ray of
    its own on this machine, for which a trial may be too large. With a `storage` it begins from the copy of the study
    that lies there, if that is ahead, and keeps it level. `trainable` runs the trials in `StudyTrainable`'s place, for
    benchmarks of all but training.
    """
    began, site = time.monotonic(), site or ThisMachine()
    with _prepared(spec, home, progress, site) as (plan, paths, stop):
        check_budget(plan)
        check_feasible(plan, home.cache)
        for doubt in doubts(plan):
            progress.stage(doubt)
        if storage is not None:
            copy = StudyCopy(paths, storage)
            with reached(storage):
                Ownership(paths, copy.place).check_free()
                if said := copy.take_up():
                    progress.stage(said)
        check_against_ledger(plan, paths.ledger)
        check_warm_start(spec, home)
        launched_from = str(folder_of_modules(Path(document.source)))
        new = new_code(paths.ledger, plan.cells)
        environment = _environment(paths, launched_from, new, progress, strict=strict)
        paths.root.mkdir(exist_ok=True)
        with WriterLock(paths.lock, "study launch"), stop.gently(), Ledger(paths.ledger, write=True) as ledger:
            ledger.record_spec(spec.model_dump(mode="json"), environment)
            paths.study_file.write_text(hidden(document.as_launched(), variables=False), encoding="utf-8")
            remember_storage(paths, storage)
            left_s = None if limit_s is None else max(0.0, limit_s - (time.monotonic() - began))
            with stop.after(left_s, lambda: progress.stage("the time is up: trials finish their epoch and save")):
                return _conduct(Conductor(plan, ledger, stop), home, progress, stop, site, storage, trainable)


def confirm(
    spec: StudySpec,
    home: Home,
    progress: Progress,
    *,
    asked: ConfirmSpec | None = None,
    partial: bool = False,
    oracle: bool = False,
    strict: bool = False,
    site: Site | None = None,
    storage: Storage | None = None,
) -> Outcome:
    """Run the trials that are missing of a study's confirmation, as `launch` does those of its search.

    `asked` says how to confirm, where the study file does not; the ledger keeps it. With `oracle` the search's
    checkpoints are judged by the test set too, for the report. StudyError too where trials of the search are missing,
    unless `partial`.
    """
    site = site or ThisMachine()
    with _prepared(spec, home, progress, site) as (plan, paths, stop):
        check_against_ledger(plan, paths.ledger)
        with WriterLock(paths.lock, "study confirm"), stop.gently(), Ledger(paths.ledger, write=True) as ledger:
            winners = make_confirm_plan(plan, ledger, home.cache, partial=partial, asked=asked)
            other = other_code(ledger, [winner.cell for winner in winners.cells])
            launched_from = str(ledger.launched_from() or "")
            environment = _environment(paths, launched_from, other, progress, strict=strict)
            ledger.record_spec(winners.spec.model_dump(mode="json"), environment)
            remember_storage(paths, storage)
            if oracle:
                ask_oracle(ledger, paths, home.cache, progress.stage)
            outcome = _conduct(Conductor(winners, ledger, stop, ConfirmAgenda), home, progress, stop, site, storage)
            return replace(outcome, left_out=winners.left_out, notes=winners.notes)


@contextmanager
def _prepared(
    spec: StudySpec, home: Home, progress: Progress, site: Site
) -> Iterator[tuple[Plan, StudyPaths, StopRequest]]:
    """What both phases begin with; signals are answered until it is left."""
    site.settle()
    site.check(spec)
    paths = home.study(spec.name)
    home.ensure_writable()
    if spec.tracking.enabled:
        tracking_uri(spec.tracking, home)  # a password that is missing is said before anything starts
    stop = StopRequest(paths.stop)
    try:
        with stop.on_signals():
            progress.stage("preparing data")
            yield make_plan(spec, home.cache), paths, stop
    except Exception:
        if stop.at_once_asked:  # a library that was being imported made another error of it
            raise KeyboardInterrupt from None
        raise


def _environment(
    paths: StudyPaths, launched_from: str, own: list[str], progress: Progress, *, strict: bool
) -> dict[str, Any]:
    """What this launch runs with; what changed in it, and in the modules of the user's `own`, is said or refused."""
    environment = describe_environment()
    changes = drift(paths.ledger, environment) + own
    if strict:
        refuse(paths.name, changes)
    for change in changes:
        progress.stage(change)
    return environment | {"launched_from": launched_from}


def _conduct(
    conductor: Conductor,
    home: Home,
    progress: Progress,
    stop: StopRequest,
    site: Site,
    storage: Storage | None = None,
    trainable: Any = None,
) -> Outcome:
    """Run what is missing, with MLflow and the storage's copy following; for the holder of the study's lock."""
    spec, ledger = conductor.plan.spec, conductor.ledger
    paths = home.study(spec.name)
    with _copied(conductor, paths, progress, stop, storage) as copied:
        tracker = make_tracker(spec, home, ledger)
        try:
            if not conductor.idle:
                run_on_ray(conductor, home, progress, tracker.wake, stop, site, storage, trainable)
            progress.stage("bringing MLflow up to date")
        finally:
            with suppress(sqlite3.OperationalError):  # a full disk was reported already
                ledger.interrupt_running("its launch ended")
            problem = tracker.close(progress.stage)
            progress.close()
    links = run_links(ledger, home)
    return Outcome(
        paths, dict(conductor.counts), conductor.interrupted, conductor.hopeless, tracker.uri, problem,
        links.name if links else None, timed_out=conductor.interrupted and stop.timed_out,
        storage_problem=copied.problem if copied else None,
    )  # fmt: skip


@contextmanager
def _copied(
    conductor: Conductor, paths: StudyPaths, progress: Progress, stop: StopRequest, storage: Storage | None
) -> Iterator[CopyFollower | None]:
    """Within it the copy in a storage follows the study; where another head takes that over, the launch is given up."""
    if storage is None:
        yield None
        return

    def leave(sentence: str) -> None:
        conductor.hopeless = sentence
        stop.file.touch()

    copy = StudyCopy(paths, storage)
    follower = CopyFollower(copy, leave, lambda text: conductor.ledger.record_event("not copied", text))
    with reached(storage):
        follower.begin()
    try:
        yield follower
    finally:
        follower.end()
