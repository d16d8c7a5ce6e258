"""What a ledger can be asked for."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.records.damage import WAY_OUT
from study.records.ledger_file import LedgerFile
from study.records.states import UNFINISHED, WAITING
from trainables.trial import SEARCH


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

_MEMBERS = "configs JOIN trials USING (config_key) JOIN cells USING (cell_key)"
_REPEATS = "coalesce(json_extract(cells.facts, '$.repeats'), ?)"  # of a cell: its own, or the given number


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


class LedgerReader(LedgerFile):
    """The questions that a ledger answers."""

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

    def cell_trials(self, *, phase: str | None = SEARCH, all_scopes: bool = False) -> dict[str, frozenset[str]]:
        """The keys of the trials that each cell of a phase, or of every one, asks for, in scope, or all.

        A trial is asked for where its repeat is below the number of repeats of its cell, or else of the search. This is
        the one rule of what is in scope: config and cell are, and the repeat is below that number.
        """
        if (spec := self.spec()) is None:  # a launch that died before its first trial
            return {}
        found: dict[str, set[str]] = {}
        for cell, trial, repeat, repeats in self._all(
            f"SELECT cell_key, trial_key, repeat, {_REPEATS} FROM {_MEMBERS} "
            "WHERE phase = coalesce(?, phase) AND configs.in_scope >= ?",
            (spec["search"]["repeats"], phase, not all_scopes),
        ):
            if repeat < repeats:  # not in SQL, where a repeat that is no number would be left out without a word
                found.setdefault(cell, set()).add(trial)
        return {cell: frozenset(trials) for cell, trials in found.items()}

    def trials_in_scope(self, *, phase: str | None = None) -> frozenset[str]:
        """The keys of all of them that are in scope."""
        return frozenset().union(*self.cell_trials(phase=phase).values())

    def cell_counts(self, repeats: int) -> dict[str, Counter[str]]:
        """How many trials of each cell there ever was are in which state; a cell may say itself how many `repeats`."""
        found: dict[str, Counter[str]] = {}
        for cell, state, count in self._all(
            f"SELECT cell_key, state, count(*) FROM {_MEMBERS} WHERE repeat < {_REPEATS} GROUP BY cell_key, state",
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

    def warnings(self) -> list[tuple[str, str]]:
        """(trial key, sentence) of what trials warned of, oldest first."""
        rows = self._all("SELECT trial_key, message FROM events WHERE kind = 'warning' ORDER BY id")
        return [(row[0], row[1]) for row in rows]

    def tracked(self, store: str) -> dict[str, tuple[str, int, str]]:
        """How far a tracking store has been brought: trial key to (run id, last epoch, state)."""
        rows = self._all("SELECT trial_key, run_id, epoch, state FROM tracking WHERE store = ?", (store,))
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def noted_runs(self) -> frozenset[str]:
        """The runs, by MLflow's ids, that were ever made for the study, in whatever store."""
        return frozenset(row[0] for row in self._all("SELECT run_id FROM tracking"))

    def counts(self) -> dict[str, Any]:
        """`trials` there ever were, how many have `ended` and are not to go on, and when one was `last` heard of."""
        row = self._one(
            f"SELECT count(*), sum(state NOT IN {UNFINISHED!r}), max(coalesce(ended_at, started_at)) FROM trials"
        )
        assert row is not None
        return {"trials": row[0], "ended": row[1] or 0, "last": row[2]}

    def stores(self) -> list[str]:
        """The tracking stores that the study was ever shown in."""
        return [row[0] for row in self._all("SELECT DISTINCT store FROM tracking ORDER BY store")]
