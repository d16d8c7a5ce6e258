"""Where a command runs its trials and keeps what they come to: the options that say so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.errors import StudyError

if TYPE_CHECKING:
    from study.records.paths import StudyPaths
    from study.running.launch import Outcome
    from study.running.site import Site
    from trainables.storage import Storage

NO_STORAGE = "none"

ClusterAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Run on the Ray cluster that is there; auto finds the one of this machine.",
    ),
]
MaxConcurrent = Annotated[
    int | None,
    typer.Option("--max-concurrent", metavar="N", min=1, help="Run no more trials than this at a time."),
]


StorageUri = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URI",
        envvar="STUDY_STORAGE",
        show_envvar=False,
        help="Keep checkpoints and a copy of the study there: a shared folder, or s3://BUCKET/FOLDER. Otherwise as "
        "launched before; none ends it.",
    ),
]


def storage_for(uri: str | None, paths: StudyPaths) -> Storage | None:
    """The storage that was asked for, now or when the study was launched before; StudyError where it is no place."""
    from study.storage.checkpoints import storage_of
    from trainables.storage import Storage

    if uri is None:
        return storage_of(paths)
    if uri == NO_STORAGE:
        return None
    try:
        return Storage(uri if "://" in uri else str(Path(uri).expanduser().absolute()))
    except ValueError as problem:
        raise StudyError(f"--storage: {problem}") from None


def send_exports(outcome: Outcome) -> str | None:
    """Bring the copy of a study's exports level; a sentence where that did not work."""
    from study.storage.checkpoints import storage_of
    from study.storage.study_copy import StudyCopy

    storage = storage_of(outcome.paths)
    if storage is None:
        return None
    try:
        StudyCopy(outcome.paths, storage).send_exports()
    except OSError as problem:
        return f"{storage.uri}: {problem}"
    return f"{storage.uri}: {outcome.storage_problem}" if outcome.storage_problem else None


def site_of(address: str | None, most: int | None) -> Site:
    """The cluster at an address, or without one this machine; it runs at `most` so many trials at a time."""
    if address is None:
        from study.running.site import ThisMachine

        return ThisMachine(most)
    from study.running.cluster.site import RunningCluster

    return RunningCluster(address, most)
