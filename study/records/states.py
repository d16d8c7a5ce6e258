"""The states of a trial.

`waiting` for its turn, `running`, `completed`, `stopped_early` by the scheduler, `diverged` where its loss is no number
any more, `failed` once its retries are used up, `interrupted` where the next launch goes on with it.
"""

from __future__ import annotations

from collections.abc import Mapping

WAITING, RUNNING = "waiting", "running"
COMPLETED, STOPPED_EARLY, DIVERGED = "completed", "stopped_early", "diverged"
FAILED, INTERRUPTED = "failed", "interrupted"
STATES = (WAITING, RUNNING, COMPLETED, STOPPED_EARLY, DIVERGED, FAILED, INTERRUPTED)
ENDED = (COMPLETED, STOPPED_EARLY, DIVERGED, FAILED, INTERRUPTED)
UNFINISHED = (WAITING, RUNNING, INTERRUPTED)  # the next launch goes on with them, if this one does not
MISSING = (WAITING, RUNNING, FAILED, INTERRUPTED)  # another launch has them still to do


def in_words(counts: Mapping[str, int]) -> str:
    """`4 waiting, 2 stopped early`; empty where there are no trials."""
    return ", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in STATES if counts.get(state))
