"""System metrics: asked for, of the driver's machine, and never in the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from study.records.ledger import Ledger
from study.tracking import make_tracker
from tests.tracking.conftest import Place

NewPlace = Callable[..., Place]
FEW = {"families": ["ce"], "noise__rate": 0.0, "training__epochs": 2, "search__repeats": 1}
MEASURED = {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"}
PATIENCE_S = 90.0


def machines(place: Place) -> list[Any]:
    return [run for run in place.runs("tags.`study.level` = 'machine'") if run.data.metrics.keys() >= MEASURED]


def test_the_load_of_the_drivers_machine_is_a_run_of_its_own(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    place = new_place(**FEW, tracking={"enabled": True, "system_metrics": True})
    place.launch()
    place.track()
    with Ledger(place.paths.ledger, write=True) as ledger:
        tracker, began = make_tracker(place.spec, place.home, ledger), time.monotonic()
        while not machines(place) and time.monotonic() - began < PATIENCE_S:
            time.sleep(0.2)
        assert tracker.close() is None
    (run,) = machines(place)
    assert run.info.status == "FINISHED"
    assert not any(run.data.metrics.keys() & MEASURED for run in place.runs("tags.`study.level` = 'trial'"))


def test_without_being_asked_for_there_is_none(new_place: NewPlace) -> None:
    place = new_place(**FEW)
    place.launch()
    with Ledger(place.paths.ledger, write=True) as ledger:
        tracker = make_tracker(place.spec, place.home, ledger)
        tracker.wake()
        assert tracker.close() is None
    assert {run.data.tags["study.level"] for run in place.runs()} == {"cell", "trial"}
