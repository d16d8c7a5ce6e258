"""What the test set would have said of the search's checkpoints: to show what selecting by validation costs.

Nothing selects on it. It is kept in the ledger apart from every score, and shown by the report's selection gap alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from study.errors import StudyError
from study.records import states
from study.records.ledger import Ledger
from study.records.paths import StudyPaths
from study.storage.checkpoints import checkpoint_storage, storage_of
from trainables.trial import SEARCH

SAY_EVERY_S = 10.0


def ask_oracle(ledger: Ledger, paths: StudyPaths, cache: Path, say: Callable[[str], None]) -> int:
    """Judge every kept checkpoint of the search, at the best or the last epoch as `select.epoch` says; how many now.

    Those of trials that a scheduler stopped are among them. Left out are trials that another launch has still to
    finish, and those that diverged, which have no score to set beside the answer. What was judged before is not judged
    again, unless its trial has gone on since. StudyError where test images are missing or damaged.
    """
    from trainables.data.datasets import load_test
    from trainables.engine.session import Session
    from trainables.engine.testing import metrics_on_test

    which: Literal["best", "last"] = "last" if (ledger.spec() or {})["select"]["epoch"] == "last" else "best"
    storage = storage_of(paths)
    copies = storage and partial(checkpoint_storage, storage, paths.name)
    wanted = _not_judged(ledger, paths, which)
    judged, said = 0, -math.inf
    for key in wanted:
        trial, store = ledger.trial(key), paths.checkpoint(key)
        try:
            session = Session(key, trial, cache, store, storage=copies(key) if copies else None)
            test = load_test(trial["dataset"], cache)
        except ValueError as problem:
            raise StudyError(f"trial {key}: {problem}") from None
        if session.epoch:  # its checkpoint was usable
            epoch = session.best_epoch if which == "best" else session.epoch
            ledger.record_oracle(key, {"epoch": epoch, **metrics_on_test(session.place, test, which)})
            judged += 1
            if time.monotonic() - said >= SAY_EVERY_S or judged == len(wanted):
                said = time.monotonic()
                say(f"asking the test set about the search's checkpoints: {judged} of {len(wanted)}")
    return judged


def _not_judged(ledger: Ledger, paths: StudyPaths, which: Literal["best", "last"]) -> list[str]:
    """The trials of the search in scope with a checkpoint of another epoch than the one that was judged, if any was."""
    known, inside = ledger.oracle(), ledger.trials_in_scope(phase=SEARCH)
    return [
        trial.key
        for trial in ledger.trials().values()
        if trial.key in inside
        and trial.state in (states.COMPLETED, states.STOPPED_EARLY)
        and known.get(trial.key, {}).get("epoch") != (trial.best_epoch if which == "best" else trial.epoch)
        and (paths.checkpoint(trial.key).is_dir() or paths.storage.is_file())
    ]
