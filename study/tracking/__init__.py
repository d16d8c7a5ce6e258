"""Views of the ledger in experiment trackers. One file each; `make_tracker` picks.

A tracker reads the ledger from a thread of its own and is told only that there is something new. It never holds up a
study: what could not be brought over is still in the ledger, and `study sync` brings it later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from study.records.ledger import Ledger
from study.records.paths import Home
from study.redaction import redacted
from study.security.credentials import filled, filled_where_possible, is_open
from study.spec import StudySpec, TrackingSpec


class Tracker(Protocol):
    """Follows a ledger while a study runs."""

    uri: str | None  # without its password

    def wake(self) -> None:
        """There is something new in the ledger. Returns at once."""

    def close(self, say: Callable[[str], None] = lambda text: None) -> str | None:
        """Bring over what is left and stop; a sentence where that did not work, else None.

        `say` is told now and then how much is left.
        """


def make_tracker(spec: StudySpec, home: Home, ledger: Ledger) -> Tracker:
    """The tracker that the study file asks for, at work."""
    if not spec.tracking.enabled:
        from study.tracking.null import NullTracker

        return NullTracker()
    from study.tracking.mlflow import MlflowTracker

    tracker = MlflowTracker(tracking_uri(spec.tracking, home), home.study(spec.name), home, ledger)
    if not spec.tracking.system_metrics:
        return tracker
    from study.tracking.machine import MachineTracker

    return MachineTracker(tracker, tracker.view.owner, tracking_uri(spec.tracking, home))


def tracking_uri(tracking: TrackingSpec, home: Home) -> str:
    """The MLflow store of a study, with its password; StudyError where the environment lacks that."""
    return filled(tracking.uri) if tracking.uri else home.mlflow_uri


def store_name(tracking: TrackingSpec, home: Home) -> str:
    """What the ledger and people call the store of a study; needs no password, and holds none."""
    return redacted(filled_where_possible(tracking.uri)) if tracking.uri else home.mlflow_uri


def launched_tracking(ledger: Ledger) -> TrackingSpec:
    """The tracking that a study was last launched with, its own losses not asked for."""
    # not checked: ledgers of older versions hold passwords, and go on working
    return TrackingSpec.model_construct(**(ledger.spec() or {}).get("tracking", {}))


def tracked_so_far(ledger: Ledger, store: str) -> dict[str, tuple[str, int, str]]:
    """How far a store has been brought, as the ledger noted it; nothing where the store's file is gone."""
    from study.tracking.mlflow_store import is_missing

    return {} if is_missing(store) else ledger.tracked(store)


def trials_behind(ledger: Ledger, home: Home) -> int:
    """How many trials a study's tracking store lacks news of, as the ledger noted it, without asking the store."""
    tracking = launched_tracking(ledger)
    store = store_name(tracking, home)
    if not tracking.enabled or is_open(store):
        return 0
    tracked = tracked_so_far(ledger, store)
    return sum(tracked.get(key, ("", 0, ""))[1:] != reached for key, reached in ledger.progress().items())
