"""Bringing a study home from a cluster: fetched in pieces, checked, and put in its place whole."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from study.errors import StudyError
from study.records.damage import damage_of
from study.records.ledger import Ledger
from study.records.ledger_file import is_begun
from study.records.lock import WriterLock
from study.records.paths import Home, StudyPaths
from study.remote import jobs
from study.remote.archive import Manifest, copy_ledger, unpack
from study.remote.client import Cluster
from study.remote.framing import DamagedError, unframed

LOCAL_NEWS = {  # what a copy that is only older has nothing of, by what is said of it
    "launches": "SELECT id, time FROM {}.specs",
    "epochs": "SELECT trial_key, epoch, metrics FROM {}.reports",
    "trials": "SELECT trial_key FROM {}.trials",
}


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
    _refuse_another(paths, manifest)
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
        renewed = is_begun(paths.ledger)
        if renewed:
            _renew(paths, staged)
        else:
            try:
                staged.rename(paths.root)  # which an empty folder lets happen
            except OSError:
                raise StudyError(
                    f"{paths.root} is in the way and holds no study; remove it, or pull --to DIR"
                ) from None
    return Pulled(paths, len(manifest.files), manifest.bytes, renewed)


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


def _refuse_another(paths: StudyPaths, manifest: Manifest) -> None:
    if not is_begun(paths.ledger):
        return
    with Ledger(paths.ledger) as ledger:
        if ledger.identity() != manifest.identity:
            raise StudyError(
                f"{paths.root} is another study of the same name; pull with --to DIR, or delete it: study delete "
                f"{paths.name}"
            )


def _renew(paths: StudyPaths, staged: Path) -> None:
    """Bring an older copy level: its ledger in one transaction of SQLite's, its folders each by a change of name."""
    with WriterLock(paths.lock, "study pull"):
        with Ledger(paths.ledger):  # which brings one of an older format to this one
            pass
        if news := _news(paths.ledger, staged / "ledger.db"):
            raise StudyError(
                f"{paths.root} has {news} that the cluster's has not, so it is no older copy; pull with --to DIR"
            )
        copy_ledger(staged / "ledger.db", paths.ledger)
        for folder in ("best", "report"):
            _swap(staged / folder, paths.root / folder)
        for checkpoint in staged.glob("checkpoints/*"):
            _swap(checkpoint, paths.root / "checkpoints" / checkpoint.name)
        if (staged / paths.study_file.name).is_file():
            os.replace(staged / paths.study_file.name, paths.study_file)


def _news(here: Path, there: Path) -> str | None:
    """`3 epochs` that the ledger `here` has and `there` lacks; None where it is an older copy."""
    with closing(sqlite3.connect(there)) as connection:
        connection.execute("ATTACH ? AS here", (str(here),))
        for what, rows in LOCAL_NEWS.items():
            query = f"SELECT count(*) FROM ({rows.format('here')} EXCEPT {rows.format('main')})"
            (count,) = connection.execute(query).fetchone()
            if count:
                return f"{count} {what}"
    return None


def _swap(new: Path, old: Path) -> None:
    """Put the folder `new` in the place of `old`; where there is no new one the old one stays."""
    if not new.is_dir():
        return
    old.parent.mkdir(exist_ok=True)
    aside = new.with_name(f"{new.name}.old")
    if old.exists():
        old.rename(aside)
    new.rename(old)
