"""MLflow is a view: it may be away, emptied or interrupted, and is brought level afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from study.records.ledger import Ledger
from study.records.paths import Home
from tests.launch.conftest import TINY_TRIALS, Place, free_port, started
from tests.tracking.servers import Answer, internal_error, serving, silence, trickle

SHORT = ("--set", "training.epochs=2", "--set", "search.repeats=1")
SHORT_RUNS = 6 + 4  # trials and cells
LAUNCH_BOUND_S = 200  # Ray's start, and the patience of the end


@contextmanager
def mlflow_server(port: int, folder: Path) -> Iterator[None]:
    store = ("--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder))
    with started(f"http://127.0.0.1:{port}/health", "mlflow", "server", *store, "--port", str(port), "--workers", "1"):
        yield


@pytest.mark.slow
def test_a_study_goes_on_without_mlflow_and_sync_levels_it_later(place: Place, tmp_path: Path) -> None:
    port = free_port()
    uri = f"http://user:${{PASSWORD}}@127.0.0.1:{port}"
    said = place.run("launch", "tiny.yaml", *SHORT, "--set", f"tracking.uri={uri}", PASSWORD="secret").stdout
    assert "study sync tiny" in said
    assert "secret" not in said
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", 6)]
    assert "needs ${PASSWORD}" in place.run("sync", "tiny", expect=2).stderr
    assert "is it running" in place.run("sync", "tiny", expect=2, PASSWORD="secret").stderr
    with mlflow_server(port, tmp_path):
        for trials in (6, 0):
            said = place.run("sync", "tiny", "--json", PASSWORD="secret").stdout
            assert json.loads(said)["trials"] == trials
    import sqlite3

    with sqlite3.connect(tmp_path / "server.db") as store:
        counts = store.execute("select count(*), count(distinct value) from tags where key = 'study.key'").fetchall()
        points = store.execute("select count(*) from metrics where key = 'train_loss'").fetchall()
    store.close()
    assert counts == [(SHORT_RUNS, SHORT_RUNS)]
    assert points == [(6 * 2,)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "said"),
    [(internal_error, "it answers with error 500"), (silence, "no answer in time"), (trickle, "does not answer")],
)
def test_a_launch_beside_a_server_that_fails_ends_in_time_with_a_line(place: Place, answer: Answer, said: str) -> None:
    with serving(answer) as uri:
        began = time.monotonic()
        done = place.run("launch", "tiny.yaml", *SHORT, "--set", f"tracking.uri={uri}", MLFLOW_HTTP_REQUEST_TIMEOUT="3")
        assert time.monotonic() - began < LAUNCH_BOUND_S
    (line,) = [line for line in done.stdout.splitlines() if uri in line]
    assert said in line
    assert "study sync tiny" in done.stdout
    assert len(done.stderr.splitlines()) <= 1
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", 6)]


@pytest.mark.slow
def test_a_deleted_store_is_made_again_by_sync(place: Place, runs_per_key: Callable[[Place], list[int]]) -> None:
    place.run("launch", "tiny.yaml", *SHORT)
    (place.home / "mlflow.db").unlink()
    assert place.json("sync", "tiny")["trials"] == 6
    assert runs_per_key(place) == [1] * SHORT_RUNS


def test_a_crash_between_making_a_run_and_noting_it_makes_no_second_run(
    finished: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from study.tracking.mlflow_view import MlflowView

    path = tmp_path / "ledger.db"
    shutil.copy(finished.home / "tiny" / "ledger.db", path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    original = Ledger.record_tracked

    def crash_at(note: int) -> Callable[..., None]:
        notes = iter(range(1, 1000))

        def crashing(self: Ledger, store: str, rows: Any) -> None:
            if next(notes) == note:
                raise KeyboardInterrupt
            original(self, store, rows)

        return crashing

    with Ledger(path, write=True) as ledger:
        for note in range(1, 6):
            with monkeypatch.context() as patch:
                patch.setattr(Ledger, "record_tracked", crash_at(note))
                with pytest.raises(KeyboardInterrupt):
                    MlflowView(uri, Home(finished.home).study("tiny"), Home(tmp_path), ledger).level(hurry=True)
        view = MlflowView(uri, Home(finished.home).study("tiny"), Home(tmp_path), ledger)
        view.level(hurry=True)
        assert view.behind() == []
    import sqlite3

    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        per_key = store.execute("select count(*) from tags where key = 'study.key' group by value").fetchall()
        points = store.execute("select count(*) from metrics where key = 'train_loss'").fetchall()
    store.close()
    assert per_key == [(1,)] * (TINY_TRIALS + 4)
    assert points == [(TINY_TRIALS * 4,)]


def test_a_second_run_of_a_trial_whose_answer_was_lost_is_removed(finished: Place, tmp_path: Path) -> None:
    import shutil

    from study.tracking.mlflow_view import KEY_TAG, MlflowView

    path, uri = tmp_path / "ledger.db", f"sqlite:///{tmp_path}/mlflow.db"
    shutil.copy(finished.home / "tiny" / "ledger.db", path)
    with Ledger(path, write=True) as ledger:
        view = MlflowView(uri, Home(finished.home).study("tiny"), Home(tmp_path), ledger)
        view.connect()
        key = view.behind()[0].key
        for _ in range(2):
            view._client.create_run(view._experiment_id, tags={KEY_TAG: key})
        view.disconnect()
        view.level(hurry=True)
        found = view._client.search_runs([view._experiment_id], f"tags.`{KEY_TAG}` = '{key}'")
    assert len(found) == 1
