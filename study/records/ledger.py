"""The study's ledger: every trial, config, epoch report, checkpoint and event, in one SQLite file.

It is the truth; MLflow and every table are views of it. Each write is one transaction, synced to disk before it
returns. Epochs are unique per trial and never change: writing one twice leaves the first. One process writes (see
`lock.py`), any number read meanwhile.
"""

from __future__ import annotations

import json
import math
import os
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.records.damage import WAY_OUT
from study.records.states import ENDED, INTERRUPTED, RUNNING, WAITING
from study.redaction import hidden, holds_secret
from trainables.trial import SEARCH

CONFIRM = "confirm"  # the phase that follows the search

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


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the ledger knows it. Scores are the selection metric; numbers in `facts` are finite, or None."""

    key: str
    config_key: str
    repeat: int
    state: str
    reason: str
    epoch: int
    best_epoch: int
    best_score: float | None
    last_score: float | None
    seconds: float
    attempts: int
    stopped_under: str
    facts: dict[str, Any]
    started_at: float | None
    ended_at: float | None


_RECORD = (
    "trial_key, config_key, repeat, state, reason, epoch, best_epoch, best_score, last_score, seconds, attempts, "
    "stopped_under, facts, started_at, ended_at"
)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


_scores = json.JSONDecoder(parse_constant=lambda _: None).decode  # NaN and infinities, which are no results


def _record(row: sqlite3.Row) -> TrialRecord:
    values = list(row)
    values[12] = _parsed(values[12], _scores)
    return TrialRecord(*values)


def _parsed(text: Any, decode: Callable[[str], Any] = json.loads) -> Any:
    try:
        return decode(text)
    except (TypeError, ValueError, RecursionError) as problem:
        raise StudyError(f"the ledger is damaged: {str(text)[:80]!r} is no JSON: {problem}; {WAY_OUT}") from None


_METRIC_AT = "(SELECT json_extract(metrics, :path) FROM reports WHERE trial_key = :key AND reports.epoch = {epoch})"


def is_begun(path: Path) -> bool:
    """Whether there is a ledger at `path` that was made to its end."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.DatabaseError:
        return True  # something else lies there: opening it says so


class Ledger:
    """A study's ledger, open for reading, or for writing by the holder of the study's lock."""

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
            raise StudyError(f"{path}: not a ledger that can be opened: {problem}") from None

    def close(self) -> None:
        """Let go of the file; a writer leaves everything in it, and nothing in the log beside it."""
        if self._write:
            with suppress(sqlite3.OperationalError):  # a full disk: the log stays, and is read with the file
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._write = False
        self._connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing --------------------------------------------------------------------------------------------------

    def record_spec(self, spec: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """Keep the study as it is launched, with the versions of code and packages and its file's folder.

        Passwords that an older version kept of earlier launches are overwritten.
        """
        self._connection.execute("PRAGMA secure_delete = ON")
        with self._transaction() as run:
            for number, text in run("SELECT id, spec FROM specs WHERE spec LIKE '%://%'").fetchall():
                if holds_secret(text):
                    run("UPDATE specs SET spec = ? WHERE id = ?", (hidden(text, variables=False), number))
            run(
                "INSERT INTO specs (time, spec, environment) VALUES (?, ?, ?)",
                (time.time(), json.dumps(spec), json.dumps(environment)),
            )

    def record_cells(self, cells: Iterable[tuple[str, Mapping[str, Any]]], phase: str = SEARCH) -> None:
        """The cells of a phase that the study asks for, in its order; all others of it fall out of scope."""
        with self._transaction() as run:
            run(
                "UPDATE configs SET in_scope = 0 WHERE cell_key IN (SELECT cell_key FROM cells WHERE phase = ?)",
                (phase,),
            )
            run("UPDATE cells SET in_scope = 0 WHERE phase = ?", (phase,))
            for position, (key, facts) in enumerate(cells):
                run(
                    "INSERT INTO cells (cell_key, position, in_scope, facts, phase) VALUES (?, ?, 1, ?, ?) "
                    "ON CONFLICT (cell_key) "
                    "DO UPDATE SET position = excluded.position, in_scope = 1, facts = excluded.facts",
                    (key, position, json.dumps(facts), phase),
                )

    def record_configs(self, configs: Iterable[tuple[str, str, int, Mapping[str, Any]]]) -> None:
        """Configs in scope: (cell key, config key, number, params)."""
        with self._transaction() as run:
            for cell, key, number, params in configs:
                run(
                    "INSERT INTO configs VALUES (?, ?, ?, ?, 1) ON CONFLICT (cell_key, config_key) "
                    "DO UPDATE SET number = excluded.number, in_scope = 1",
                    (cell, key, number, json.dumps(params)),
                )

    def record_trials(self, trials: Iterable[tuple[str, str, int, Mapping[str, Any]]]) -> None:
        """Trials that are to run: (trial key, config key, repeat, description). Known ones are left as they are."""
        now = time.time()
        with self._transaction() as run:
            for key, config, repeat, trial in trials:
                run(
                    "INSERT OR IGNORE INTO trials (trial_key, config_key, repeat, trial, state, created_at) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (key, config, repeat, json.dumps(trial), WAITING, now),
                )

    def record_started(self, trial_key: str) -> None:
        """A trial goes to a worker."""
        with self._transaction() as run:
            run(
                "UPDATE trials SET state = ?, reason = '', stopped_under = '', attempts = attempts + 1, "
                "launch = (SELECT max(id) FROM specs), "
                "started_at = coalesce(started_at, ?), ended_at = NULL WHERE trial_key = ?",
                (RUNNING, time.time(), trial_key),
            )

    def record_result(self, trial_key: str, result: Mapping[str, Any], monitor: str) -> None:
        """A worker's result: the epochs since its last one, as one transaction."""
        reports, epoch, best = result["reports"], result["epoch"], result["best_epoch"]
        seconds = 0.0
        with self._transaction() as run:
            for report in reports:
                metrics = {name: _finite(value) for name, value in report.items() if name != "epoch"}
                new = run(
                    "INSERT OR IGNORE INTO reports VALUES (?, ?, ?)",
                    (trial_key, report["epoch"], json.dumps(metrics)),
                )
                seconds += (metrics.get("seconds") or 0.0) * new.rowcount
            for facts in [result["checkpoint"]] if result.get("checkpoint") else []:
                run(
                    "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)",
                    (trial_key, epoch, json.dumps(facts)),
                )
            run(
                f"UPDATE trials SET epoch = max(epoch, :epoch), best_epoch = :best, facts = :facts, "
                f"best_score = {_METRIC_AT.format(epoch=':best')}, last_score = {_METRIC_AT.format(epoch=':epoch')}, "
                "seconds = seconds + :seconds WHERE trial_key = :key",
                {
                    "key": trial_key, "epoch": epoch, "best": best, "path": f"$.{monitor}",
                    "facts": json.dumps(result["facts"]), "seconds": seconds,
                },
            )  # fmt: skip

    def record_ended(self, trial_key: str, state: str, reason: str = "", stopped_under: str = "") -> None:
        """A trial has come to an end, or was interrupted."""
        assert state in ENDED, state
        with self._transaction() as run:
            run(
                "UPDATE trials SET state = ?, reason = ?, stopped_under = ?, ended_at = ? WHERE trial_key = ?",
                (state, reason, stopped_under, time.time(), trial_key),
            )

    def record_event(self, kind: str, message: str, trial_key: str | None = None) -> None:
        """Something worth telling happened."""
        with self._transaction() as run:
            run(
                "INSERT INTO events (time, kind, trial_key, message) VALUES (?, ?, ?, ?)",
                (time.time(), kind, trial_key, message),
            )

    def interrupt_running(self, reason: str) -> int:
        """Mark as interrupted what a driver left running when it died; how many there were."""
        with self._transaction() as run:
            done = run(
                "UPDATE trials SET state = ?, reason = ?, ended_at = ? WHERE state = ?",
                (INTERRUPTED, reason, time.time(), RUNNING),
            )
            return done.rowcount

    def record_tracked(self, store: str, rows: Iterable[tuple[str, str, int, str]]) -> None:
        """How far a tracking store has been brought: (trial key, run id, last epoch, state)."""
        with self._transaction() as run:
            for key, run_id, epoch, state in rows:
                run(
                    "INSERT OR REPLACE INTO tracking VALUES (?, ?, ?, ?, ?)",
                    (store, key, run_id, epoch, state),
                )

    def forget_tracked(self, store: str) -> None:
        """Nothing was brought to a tracking store: what was is gone, or not the study's."""
        with self._transaction() as run:
            run("DELETE FROM tracking WHERE store = ?", (store,))

    def record_oracle(self, trial_key: str, metrics: Mapping[str, float]) -> None:
        """What the test set says of a trial of the search: for a report, and for nothing else."""
        with self._transaction() as run:
            run("INSERT OR REPLACE INTO oracle VALUES (?, ?)", (trial_key, json.dumps(metrics)))

    # -- reading --------------------------------------------------------------------------------------------------

    def identity(self) -> str:
        """What tells this study from all others, of its name too: 32 digits, made with the ledger, copied with it."""
        row = self._one("SELECT id FROM identity")
        assert row is not None
        return str(row[0])

    def spec(self) -> dict[str, Any] | None:
        """The study as it was last launched."""
        row = self._one("SELECT spec FROM specs ORDER BY id DESC LIMIT 1")
        return _parsed(row[0]) if row else None

    def launched_from(self) -> Path | None:
        """The folder of the study file that was last launched; None where it is not known."""
        row = self._one("SELECT json_extract(environment, '$.launched_from') FROM specs ORDER BY id DESC LIMIT 1")
        return Path(row[0]) if row and row[0] else None

    def environment(self, trial_key: str) -> dict[str, Any]:
        """Versions of code and packages at the launch that ran a trial last."""
        query = "SELECT environment FROM specs JOIN trials ON specs.id = trials.launch WHERE trial_key = ?"
        row = self._one(query, (trial_key,))
        found = _parsed(row[0]) if row else {}
        return {name: value for name, value in found.items() if name != "launched_from"}

    def environments(self) -> list[tuple[int, dict[str, Any]]]:
        """How many trials that have an epoch each launch ran last, with its versions of code and packages."""
        query = (
            "SELECT count(*), environment FROM specs JOIN trials ON specs.id = trials.launch WHERE epoch > 0 "
            "GROUP BY specs.id ORDER BY specs.id"
        )
        return [(row[0], _parsed(row[1])) for row in self._all(query)]

    def cells(self, *, phase: str | None = SEARCH, all_scopes: bool = False) -> list[tuple[str, dict[str, Any]]]:
        """The cells of a phase, or of every one, in scope, or all, in the study file's order, with their facts."""
        rows = self._all(
            "SELECT cell_key, facts FROM cells WHERE phase = coalesce(?, phase) AND in_scope >= ? "
            "ORDER BY phase DESC, position",
            (phase, not all_scopes),
        )
        return [(row[0], _parsed(row[1])) for row in rows]

    def configs(
        self, *, phase: str | None = SEARCH, all_scopes: bool = False
    ) -> list[tuple[str, str, int, dict[str, Any]]]:
        """(cell key, config key, number, params) of a phase's configs, or of every one's, in scope, or all."""
        rows = self._all(
            "SELECT cell_key, config_key, number, params FROM configs JOIN cells USING (cell_key) "
            "WHERE phase = coalesce(?, phase) AND configs.in_scope >= ? ORDER BY number",
            (phase, not all_scopes),
        )
        return [(row[0], row[1], row[2], _parsed(row[3])) for row in rows]

    def trials(self, keys: Collection[str] | None = None) -> dict[str, TrialRecord]:
        """Every trial there ever was, or those of `keys`, by key."""
        some = "" if keys is None else "WHERE trial_key IN (SELECT value FROM json_each(?))"
        rows = self._all(
            f"SELECT {_RECORD} FROM trials {some} ORDER BY created_at, rowid",
            () if keys is None else (json.dumps(list(keys)),),
        )
        return {row[0]: _record(row) for row in rows}

    def progress(self) -> dict[str, tuple[int, str]]:
        """(last epoch, state) of every trial that has begun, by key: for those who ask often."""
        rows = self._all("SELECT trial_key, epoch, state FROM trials WHERE state != ?", (WAITING,))
        return {row[0]: (row[1], row[2]) for row in rows}

    def cell_counts(self, repeats: int) -> dict[str, Counter[str]]:
        """How many trials of each cell there ever was are in which state; a cell may say itself how many `repeats`."""
        found: dict[str, Counter[str]] = {}
        for cell, state, count in self._all(
            "SELECT cell_key, state, count(*) FROM configs JOIN trials USING (config_key) JOIN cells USING (cell_key) "
            "WHERE repeat < coalesce(json_extract(cells.facts, '$.repeats'), ?) GROUP BY cell_key, state",
            (repeats,),
        ):
            found.setdefault(cell, Counter())[state] = count
        return found

    def trial(self, trial_key: str) -> dict[str, Any]:
        """The description of a trial."""
        row = self._one("SELECT trial FROM trials WHERE trial_key = ?", (trial_key,))
        assert row is not None, trial_key
        description: dict[str, Any] = _parsed(row[0])
        return description

    def reports(self, trial_key: str, after: int = 0) -> list[tuple[int, dict[str, Any]]]:
        """(epoch, metrics) of a trial, from the epoch after `after`."""
        rows = self._all(
            "SELECT epoch, metrics FROM reports WHERE trial_key = ? AND epoch > ? ORDER BY epoch",
            (trial_key, after),
        )
        return [(row[0], _parsed(row[1])) for row in rows]

    def report(self, trial_key: str, epoch: int) -> dict[str, Any]:
        """The metrics of one epoch; empty where there are none."""
        row = self._one("SELECT metrics FROM reports WHERE trial_key = ? AND epoch = ?", (trial_key, epoch))
        return _parsed(row[0]) if row else {}

    def oracle(self) -> dict[str, dict[str, float]]:
        """What the test set says of trials of the search, by key, where it was asked: metrics of `epoch`."""
        return {row[0]: _parsed(row[1], _scores) for row in self._all("SELECT trial_key, metrics FROM oracle")}

    def events(self, last: int = 20) -> list[dict[str, Any]]:
        """The last events, oldest first."""
        rows = self._all("SELECT time, kind, trial_key, message FROM events ORDER BY id DESC LIMIT ?", (last,))
        return [dict(zip(("time", "kind", "trial_key", "message"), row, strict=True)) for row in reversed(rows)]

    def warnings(self) -> list[tuple[str, str, str]]:
        """(trial key, its config's key, sentence) of what trials warned of, oldest first."""
        rows = self._all(
            "SELECT trials.trial_key, config_key, message FROM events JOIN trials USING (trial_key) "
            "WHERE kind = 'warning' ORDER BY id"
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def tracked(self, store: str) -> dict[str, tuple[str, int, str]]:
        """How far a tracking store has been brought: trial key to (run id, last epoch, state)."""
        rows = self._all("SELECT trial_key, run_id, epoch, state FROM tracking WHERE store = ?", (store,))
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def noted_runs(self) -> frozenset[str]:
        """The runs, by MLflow's ids, that were ever made for the study, in whatever store."""
        return frozenset(row[0] for row in self._all("SELECT run_id FROM tracking"))

    def counts(self) -> dict[str, Any]:
        """`trials` there ever were, how many have `ended`, and when the last of them was `last` heard of."""
        row = self._one(f"SELECT count(*), sum(state IN {ENDED!r}), max(coalesce(ended_at, started_at)) FROM trials")
        assert row is not None
        return {"trials": row[0], "ended": row[1] or 0, "last": row[2]}

    def stores(self) -> list[str]:
        """The tracking stores that the study was ever shown in."""
        return [row[0] for row in self._all("SELECT DISTINCT store FROM tracking ORDER BY store")]

    # -- SQLite ---------------------------------------------------------------------------------------------------

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
            Ledger(self.path, write=True).close()
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
