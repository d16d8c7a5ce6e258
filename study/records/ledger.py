"""The study's ledger: every trial, config, epoch report, checkpoint and event, in one SQLite file.

It is the truth; MLflow and every table are views of it. Each write is one transaction, synced to disk before it
returns. Epochs are unique per trial and never change: writing one twice leaves the first. One process writes (see
`lock.py`), any number read meanwhile.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from study.records.ledger_reader import LedgerReader
from study.records.states import ENDED, INTERRUPTED, RUNNING, WAITING
from study.redaction import hidden, holds_secret, redacted
from trainables.trial import SEARCH

CONFIRM = "confirm"  # the phase that follows the search

ConfigRow = tuple[str, str, int, Mapping[str, Any]]  # cell key, config key, number, params

_METRIC_AT = "(SELECT json_extract(metrics, :path) FROM reports WHERE trial_key = :key AND reports.epoch = {epoch})"


class Ledger(LedgerReader):
    """A study's ledger, open for reading, or for writing by the holder of the study's lock."""

    def record_spec(self, spec: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """Keep the study as it is launched, with the versions of code and packages and its file's folder.

        Passwords that an older version kept of earlier launches are overwritten.
        """
        self._connection.execute("PRAGMA secure_delete = ON")
        with self._transaction() as run:
            for number, text in run("SELECT id, spec FROM specs WHERE spec LIKE '%://%'").fetchall():
                if (clean := _without_passwords(text)) != text:
                    run("UPDATE specs SET spec = ? WHERE id = ?", (clean, number))
            run(
                "INSERT INTO specs (time, spec, environment) VALUES (?, ?, ?)",
                (time.time(), json.dumps(spec), json.dumps(environment)),
            )

    def record_cells(
        self,
        cells: Iterable[tuple[str, Mapping[str, Any]]],
        configs: Iterable[ConfigRow] = (),
        phase: str = SEARCH,
    ) -> None:
        """The cells of a phase that the study asks for, in its order, and their `configs` that are known already.

        All others of the phase fall out of scope, at the same instant.
        """
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
            _enter(run, configs)

    def record_configs(self, configs: Iterable[ConfigRow]) -> None:
        """Configs in scope."""
        with self._transaction() as run:
            _enter(run, configs)

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


def _enter(run: Any, configs: Iterable[ConfigRow]) -> None:
    for cell, key, number, params in configs:
        run(
            "INSERT INTO configs VALUES (?, ?, ?, ?, 1) ON CONFLICT (cell_key, config_key) "
            "DO UPDATE SET number = excluded.number, in_scope = 1",
            (cell, key, number, json.dumps(params)),
        )


def _without_passwords(spec: str) -> str:
    """A kept study file without passwords, that of its tracking address among them whatever its characters."""
    clean = hidden(spec, variables=False)
    uri = (json.loads(clean).get("tracking") or {}).get("uri")
    if not isinstance(uri, str) or not holds_secret(uri):
        return clean
    return clean.replace(json.dumps(uri), json.dumps(redacted(uri)))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
