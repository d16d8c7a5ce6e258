"""A study that comes from elsewhere, put in its place here: whole or not at all, and never over news."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from study.errors import StudyError
from study.records.ledger import Ledger
from study.records.ledger_file import copy_ledger, is_begun
from study.records.lock import WriterLock
from study.records.paths import StudyPaths

NEWS = {  # what a copy that is only older has nothing of, by what is said of it
    "launches": "SELECT id, time FROM {}.specs",
    "epochs": "SELECT trial_key, epoch, metrics FROM {}.reports",
    "trials": "SELECT trial_key FROM {}.trials",
}


def news(here: Path, there: Path) -> str | None:
    """`3 epochs` that the ledger `here` has and `there` lacks; None where it is an older copy, or the same."""
    with closing(sqlite3.connect(there)) as connection:
        connection.execute("ATTACH ? AS here", (str(here),))
        for what, rows in NEWS.items():
            query = f"SELECT count(*) FROM ({rows.format('here')} EXCEPT {rows.format('main')})"
            (count,) = connection.execute(query).fetchone()
            if count:
                return f"{count} {what}"
    return None


def is_another(paths: StudyPaths, identity: str) -> bool:
    """Whether a study lies here that is not the one of this identity."""
    if not is_begun(paths.ledger):
        return False
    with Ledger(paths.ledger) as ledger:
        return ledger.identity() != identity


def settle(paths: StudyPaths, staged: Path, purpose: str, way_out: str) -> bool:
    """Put the study in the folder `staged` in its place; whether an older copy was there, which is renewed.

    StudyError, with the `way_out`, where the one that is there has something that the new one lacks, or where something
    else is in the way. `purpose` is what its lock says meanwhile.
    """
    if is_begun(paths.ledger):
        with WriterLock(paths.lock, purpose):
            renew(paths, staged, way_out)
        return True
    try:
        staged.rename(paths.root)  # which an empty folder lets happen
    except OSError:
        raise StudyError(f"{paths.root} is in the way and holds no study; remove it, {way_out}") from None
    return False


def renew(paths: StudyPaths, staged: Path, way_out: str) -> None:
    """Bring an older copy level, for the holder of its lock: its ledger in one transaction of SQLite's, its folders
    each by a change of name.
    """
    with Ledger(paths.ledger):  # which brings one of an older format to this one
        pass
    if found := news(paths.ledger, staged / "ledger.db"):
        raise StudyError(f"{paths.root} has {found} that the other has not, so it is no older copy; {way_out}")
    copy_ledger(staged / "ledger.db", paths.ledger)
    for folder in ("best", "report"):
        _swap(staged / folder, paths.root / folder)
    for checkpoint in staged.glob("checkpoints/*"):
        _swap(checkpoint, paths.root / "checkpoints" / checkpoint.name)
    for file in (paths.study_file, paths.search):
        if (staged / file.name).is_file():
            os.replace(staged / file.name, file)


def _swap(new: Path, old: Path) -> None:
    """Put the folder `new` in the place of `old`; where there is no new one the old one stays."""
    if not new.is_dir():
        return
    old.parent.mkdir(exist_ok=True)
    aside = new.with_name(f"{new.name}.old")
    if old.exists():
        old.rename(aside)
    new.rename(old)
