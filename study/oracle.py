"""What the test set would have said of the search's checkpoints: to show what selecting by validation costs.

Nothing selects on it. It is kept in the ledger apart from every score, and shown by the report's selection gap alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from study.errors import StudyError
from study.ledger import Ledger
from study.paths import StudyPaths
from study.results import cell_results


def ask_oracle(ledger: Ledger, paths: StudyPaths, cache: Path, say: Callable[[str], None]) -> int:
    """Judge the best epoch of every completed trial of the search that has a checkpoint; how many were judged now.

    Those that were judged before are not judged again. StudyError where test images are missing or damaged.
    """
    from trainables.data.datasets import load_test
    from trainables.engine.session import Session
    from trainables.engine.testing import metrics_on_test

    known = ledger.oracle()
    which: Literal["best", "last"] = "last" if (ledger.spec() or {})["select"]["epoch"] == "last" else "best"
    wanted = [
        trial.key
        for cell in cell_results(ledger)
        for config in cell.configs
        for trial in config.trials
        if trial.key not in known
    ]
    judged = 0
    for key in dict.fromkeys(wanted):
        trial, store = ledger.trial(key), paths.checkpoint(key)
        if not store.is_dir():
            continue
        try:
            session = Session(key, trial, cache, store)
            test = load_test(trial["dataset"], cache)
        except ValueError as problem:
            raise StudyError(f"trial {key}: {problem}") from None
        if session.epoch:  # its checkpoint was usable
            ledger.record_oracle(key, metrics_on_test(session.place, test, which))
            judged += 1
            say(f"asking the test set about the search's checkpoints: {judged} of {len(wanted)}")
    return judged
