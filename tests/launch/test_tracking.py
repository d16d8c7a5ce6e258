"""MLflow is a view: whoever dies while it is brought level, each trial has one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.records.ledger import Ledger
from study.records.paths import Home
from tests.launch.conftest import TINY_TRIALS, Place


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
