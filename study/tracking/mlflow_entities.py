"""What MLflow is told about a trial, in its own words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from study.records import states
from study.records.ledger import Ledger
from study.records.ledger_reader import TrialRecord


def metrics_of(ledger: Ledger, trial: TrialRecord, monitor: str, after: int) -> list[Metric]:
    """A trial's metrics from the epoch after `after`, at the times at which they were measured; once it has ended also
    its best value of `monitor` and what it came to on test images.
    """
    reports = ledger.reports(trial.key, after=after)
    metrics = [
        Metric(name, value, int(report["time"] * 1000), step)
        for step, report in reports
        for name, value in report.items()
        if value is not None and name != "time"
    ]
    at = int((trial.ended_at or trial.started_at or time.time()) * 1000)
    if trial.state in states.ENDED and trial.state != states.INTERRUPTED and trial.best_score is not None:
        best = {"best_epoch": float(trial.best_epoch), f"best_{monitor}": trial.best_score}
        metrics += [Metric(name, value, at, trial.epoch) for name, value in best.items()]
    if trial.state == states.COMPLETED and not any(metric.key.startswith("test_") for metric in metrics):
        tested = dict(trial.facts.get("test", {}))
        step = tested.pop("epoch", trial.epoch)
        metrics += [Metric(name, value, at, step) for name, value in tested.items()]
    return metrics


def params_of(params: Mapping[str, Any]) -> list[Param]:
    """Columns that never change."""
    return [Param(name, str(value)) for name, value in params.items()]


def state_tags(trial: TrialRecord, number: int) -> list[RunTag]:
    """How it stands, and which config of its cell it belongs to: a grid that grows counts its configs anew."""
    found = {"study.state": trial.state, "study.reason": trial.reason, "study.config": str(number)}
    return [RunTag(name, value) for name, value in found.items()]


def fact_tags(trial: TrialRecord) -> list[RunTag]:
    """Hashes of split and noise, machine and threads."""
    return [RunTag(f"study.{name}", str(value)) for name, value in trial.facts.items() if name != "test"]


def data_of(description: Mapping[str, Any]) -> list[DatasetInput]:
    """The data set that a trial read, by name and digest; where its files lay."""
    dataset = description["dataset"]
    source = str(dataset.get("root", dataset["name"]))
    described = Dataset(dataset["name"], dataset["digest"], "local" if "root" in dataset else "code", source)
    return [DatasetInput(described, [InputTag("mlflow.data.context", "train")])]
