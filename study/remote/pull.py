"""Bringing a study home from a cluster: fetched in pieces, checked, and put in its place whole."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from study.errors import StudyError
from study.records.damage import damage_of
from study.records.ledger_file import is_begun
from study.records.lock import WriterLock
from study.records.paths import Home, StudyPaths
from study.remote import jobs
from study.remote.archive import Manifest, unpack
from study.remote.client import Cluster
from study.remote.framing import DamagedError, unframed
from study.storage.arrival import is_another, settle
from study.storage.checkpoints import reached, remember_storage
from study.storage.study_copy import StudyCopy
from trainables.names import unknown_name
from trainables.storage import Storage

WAY_OUT = "pull with --to DIR"


@dataclass(frozen=True)
class Pulled:
    """A study that came home: its folder, how many files, how many bytes travelled, whether it was here before."""

    paths: StudyPaths
    files: int
    bytes: int
    renewed: bool


def pull(
    cluster: Cluster,
    name: str,
    home: Home,
    *,
    weights: bool = True,
    checkpoints: bool = False,
    say: Callable[[int, int], None] = lambda done, of: None,
) -> Pulled:
    """Bring the study `name` home from a cluster; `say` hears how many bytes of how many have come.

    A study of this name that is here is renewed where it is an older copy of that one. StudyError where it is another,
    has something that the cluster's has not, or runs here; where what comes is damaged; then nothing is changed.
    """
    home.ensure_writable()
    paths = home.study(name)
    options = [*([] if weights else ["--no-weights"]), *(["--checkpoints"] if checkpoints else [])]
    answer = jobs.ask_raw(cluster, "pack", name, *options)
    told = answer.json()
    manifest = Manifest.of_json(told["manifest"])
    if is_another(paths, manifest.identity):
        raise StudyError(
            f"{paths.root} is another study of the same name; {WAY_OUT}, or delete it: study delete {name}"
        )
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=home.root) as scratch:
        archive, staged = Path(scratch, "archive"), Path(scratch, "study")
        with archive.open("wb") as file:
            for number in range(told["pieces"]):
                log = answer.log if number == 0 else _piece(cluster, told["archive"], number)
                file.write(_content(log, number))
                say(file.tell(), manifest.bytes)
        unpack(archive, manifest, staged)
        if wrong := damage_of(staged / "ledger.db"):
            raise StudyError(f"the cluster's ledger: {wrong}")
        renewed = settle(paths, staged, "study pull", WAY_OUT)
    return Pulled(paths, len(manifest.files), manifest.bytes, renewed)


def pull_copy(home: Home, name: str, storage: Storage | None) -> Pulled:
    """Bring the study `name` home from the copy in `storage`, where its checkpoints stay and are found.

    StudyError as of `pull`, and where there is no copy.
    """
    home.ensure_writable()
    paths = home.study(name)
    copy = StudyCopy(paths, storage) if storage else None
    if storage is None or copy is None:
        raise StudyError(f"--storage none is no place that study '{name}' could come from")
    with reached(storage):
        if not copy.exists():
            names = [each for each in storage.folders() if StudyCopy(home.study(each), storage).exists()]
            raise StudyError(unknown_name("study", name, names, f"studies in {storage.uri}"))
        renewed = is_begun(paths.ledger)
        copy.take_up()
        with WriterLock(paths.lock, "study pull"):
            remember_storage(paths, storage)
        files, size = (sum(each) for each in zip(copy.size(), copy.fetch_exports(), strict=True))
    return Pulled(paths, files, size, renewed)


def _piece(cluster: Cluster, archive: str, number: int) -> str:
    answer = jobs.ask_raw(cluster, "piece", archive, str(number))
    answer.json()
    return answer.log


def _content(log: str, number: int) -> bytes:
    try:
        payload = unframed("piece", log)
    except DamagedError as problem:
        raise StudyError(f"piece {number + 1} of the archive is damaged: {problem}; pull again") from None
    if payload is None:
        raise StudyError(f"piece {number + 1} of the archive has not come; pull again")
    return payload
