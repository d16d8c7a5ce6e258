"""The ledger as an SQLite file: its tables, how it is opened, transactions, and files of older formats."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from study.errors import StudyError
from study.records.damage import WAY_OUT
from trainables.trial import SEARCH

SCHEMA = """
CREATE TABLE specs (id INTEGER PRIMARY KEY, time REAL NOT NULL, spec TEXT NOT NULL, environment TEXT NOT NULL);
CREATE TABLE cells (
    cell_key TEXT PRIMARY KEY, position INTEGER NOT NULL, in_scope INTEGER NOT NULL, facts TEXT NOT NULL);
CREATE TABLE configs (
    cell_key TEXT NOT NULL, config_key TEXT NOT NULL, number INTEGER NOT NULL, params TEXT NOT NULL,
    in_scope INTEGER NOT NULL, PRIMARY KEY (cell_key, config_key));
CREATE INDEX configs_by_key ON configs (config_key);
CREATE TABLE trials (
    trial_key TEXT PRIMARY KEY, config_key TEXT NOT NULL, repeat INTEGER NOT NULL, trial TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', epoch INTEGER NOT NULL DEFAULT 0,
    best_epoch INTEGER NOT NULL DEFAULT 0, best_score REAL, last_score REAL, seconds REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, launch INTEGER,
    stopped_under TEXT NOT NULL DEFAULT '', facts TEXT NOT NULL DEFAULT '{}',
    created_at REAL NOT NULL, started_at REAL, ended_at REAL);
CREATE INDEX trials_by_config ON trials (config_key, repeat);
CREATE TABLE reports (
    trial_key TEXT NOT NULL, epoch INTEGER NOT NULL, metrics TEXT NOT NULL,
    PRIMARY KEY (trial_key, epoch)) WITHOUT ROWID;
CREATE TABLE checkpoints (trial_key TEXT NOT NULL, epoch INTEGER NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (trial_key, epoch)) WITHOUT ROWID;
CREATE TABLE events (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, trial_key TEXT, message TEXT NOT NULL);
CREATE TABLE tracking (
    store TEXT NOT NULL, trial_key TEXT NOT NULL, run_id TEXT NOT NULL, epoch INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (store, trial_key)) WITHOUT ROWID;
"""


MIGRATIONS = (  # to version 1, 2, ...
    SCHEMA,
    f"ALTER TABLE cells ADD COLUMN phase TEXT NOT NULL DEFAULT '{SEARCH}'",
    "CREATE TABLE oracle (trial_key TEXT PRIMARY KEY, metrics TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE identity (id TEXT NOT NULL);\nINSERT INTO identity VALUES (lower(hex(randomblob(16))))",
)
SCHEMA_VERSION = len(MIGRATIONS)
TABLES = frozenset(re.findall(r"CREATE TABLE (\w+)", "".join(MIGRATIONS)))


def is_begun(path: Path) -> bool:
    """Whether there is a ledger at `path` that was made to its end."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.DatabaseError:
        return True  # something else lies there: opening it says so


def copy_ledger(source: Path, target: Path) -> None:
    """A copy of a ledger at one instant, though it is written meanwhile; an older one at `target` is replaced."""
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as here,
        closing(sqlite3.connect(target, timeout=30)) as there,
    ):
        here.backup(there)


class LedgerFile:
    """An open ledger; what it holds is asked for and written by the classes that stand on it."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        """Open the ledger at `path`; with `write` it is made where there is none. StudyError where it is not ours."""
        self.path, self._write = path, write
        self.failure: str | None = None  # why a write was refused, as by a full disk
        self._mutex = threading.RLock()
        if not write and not path.is_file():
            raise StudyError(f"{path}: no ledger; launch the study first")
        mode = "rwc" if write else "ro" if os.access(path.parent, os.W_OK) else "ro&immutable=1"
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False, isolation_level=None,
                timeout=30,
            )  # fmt: skip
            if write:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA cache_size = -65536")
            self._migrate(write)
        except sqlite3.DatabaseError as problem:
            further = "" if isinstance(problem, sqlite3.OperationalError) else f"; {WAY_OUT}"  # that is no damage
            raise StudyError(f"{path}: not a ledger that can be opened: {problem}{further}") from None

    def close(self) -> None:
        """Let go of the file; a writer leaves everything in it, and nothing in the log beside it."""
        if self._write:
            with suppress(sqlite3.OperationalError):  # a full disk: the log stays, and is read with the file
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._write = False
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._mutex:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException as problem:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(problem, sqlite3.OperationalError):
                    self.failure = str(problem)
                elif isinstance(problem, sqlite3.DatabaseError):
                    raise StudyError(f"{self.path} is damaged: {problem}; {WAY_OUT}") from None
                raise

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._mutex, self._readable():
            return self._connection.execute(query, values).fetchall()

    def _one(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        with self._mutex, self._readable():
            row: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
            return row

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as problem:
            raise StudyError(f"{self.path} is damaged: {problem}; {WAY_OUT}") from None

    def _migrate(self, write: bool) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version == SCHEMA_VERSION:
            self._check_tables()
            return
        if not 0 <= version <= SCHEMA_VERSION:
            raise StudyError(
                f"{self.path}: ledger of format {version}, this program reads up to {SCHEMA_VERSION}; update it"
            )
        if not write and version == 0:
            raise StudyError(f"{self.path}: not begun yet; launch the study")
        if not write and not os.access(self.path, os.W_OK):
            raise StudyError(
                f"{self.path}: a ledger of the older format {version}, which cannot be brought to this one"
            )
        if not write:
            LedgerFile(self.path, write=True).close()
            return
        with self._transaction() as run:
            version = run("PRAGMA user_version").fetchone()[0]  # another process may have been first
            for migration in MIGRATIONS[version:]:
                for statement in migration.split(";\n"):
                    run(statement)
            run(f"PRAGMA user_version = {max(version, SCHEMA_VERSION)}")

    def _check_tables(self) -> None:
        found = {row[0] for row in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if missing := TABLES - found:
            raise StudyError(f"{self.path} is damaged: it has no table {', '.join(sorted(missing))}; {WAY_OUT}")
