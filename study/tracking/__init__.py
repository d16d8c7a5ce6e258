"""Views of the ledger in experiment trackers. One file each; `make_tracker` picks.

A tracker reads the ledger from a thread of its own and is told only that there is something new. It never holds up a
study: what could not be brought over is still in the ledger, and `study sync` brings it later.
"""

from __future__ import annotations

from typing import Protocol

from study.ledger import Ledger
from study.paths import Home
from study.spec import StudySpec, TrackingSpec


class Tracker(Protocol):
    """Follows a ledger while a study runs."""

    uri: str | None

    def wake(self) -> None:
        """There is something new in the ledger. Returns at once."""

    def close(self) -> str | None:
        """Bring over what is left and stop; a sentence where that did not work, else None."""


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

    return MachineTracker(tracker, tracker.view.owner)


def tracking_uri(tracking: TrackingSpec, home: Home) -> str:
    """The MLflow store of a study."""
    return tracking.uri or home.mlflow_uri


def launched_tracking(ledger: Ledger) -> TrackingSpec:
    """The tracking that a study was last launched with, its own losses not asked for."""
    return TrackingSpec.model_validate((ledger.spec() or {}).get("tracking", {}))


def tracked_so_far(ledger: Ledger, store: str) -> dict[str, tuple[str, int, str]]:
    """How far a store has been brought, as the ledger noted it; nothing where the store's file is gone."""
    from study.tracking.mlflow_store import is_missing

    return {} if is_missing(store) else ledger.tracked(store)


def trials_behind(ledger: Ledger, home: Home) -> int:
    """How many trials a study's tracking store lacks news of, as the ledger noted it, without asking the store."""
    from study.tracking.mlflow_store import redacted

    tracking = launched_tracking(ledger)
    if not tracking.enabled:
        return 0
    tracked = tracked_so_far(ledger, redacted(tracking_uri(tracking, home)))
    return sum(tracked.get(key, ("", 0, ""))[1:] != reached for key, reached in ledger.progress().items())
