"""What must stand in the JSON of a ledger and in an exported file for the rest of the program to read it.

Keys that are not named here may stand beside those that are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, Json, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from study.records.states import STATES

Count = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**64)]
Number = Annotated[float, Field(allow_inf_nan=False)]
FileName = Annotated[str, Field(pattern=r"^[^/\x00]*[^/\x00.][^/\x00]*$")]  # in its own folder
Metrics = dict[str, Number | None]


class Named(TypedDict):
    """A data set, a network, a normalisation or an optimiser."""

    name: str


class Dataset(Named):
    """A data set as it was planned with."""

    digest: str
    root: NotRequired[str]


class Split(TypedDict):
    """Which images are held out."""

    holdout: Annotated[Number, Field(ge=0)]
    seed: Seed


class Noise(TypedDict):
    """Which labels are wrong."""

    kind: str
    rate: NotRequired[Number]
    seed: NotRequired[Seed]


class Loss(TypedDict):
    """A family, beside its hyperparameters."""

    family: str


class Optimizer(Named):
    """Settings of one trial: nothing is searched any more."""

    lr: Number
    weight_decay: Number


class Training(TypedDict):
    """How a trial trains."""

    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    optimizer: Optimizer
    augment: NotRequired[list[Named]]
    normalise: NotRequired[Named]


class Seeds(TypedDict):
    """Of weights, data order and augmentation."""

    weights: Seed
    order: Seed
    augmentation: Seed


class Monitor(TypedDict):
    """What epochs are judged by."""

    metric: str
    mode: Literal["max", "min"]


class Trial(TypedDict):
    """`trainables/trial.py` describes it."""

    dataset: Dataset
    split: Split
    noise: Noise
    model: Named
    loss: Loss
    training: Training
    seeds: Seeds
    monitor: Monitor
    code: NotRequired[str]
    model_code: NotRequired[str]
    confirm: NotRequired[dict[str, Any]]


class File(TypedDict):
    """A file beside an exported one."""

    file: FileName
    sha256: str


class Input(TypedDict):
    """What an exported network sees."""

    shape: Annotated[list[Annotated[int, Field(ge=1, le=2**15)]], Field(min_length=3, max_length=3)]
    classes: Annotated[list[str], Field(min_length=2)]
    normalise: Named
    resize: NotRequired[Annotated[int, Field(ge=1, le=2**15)] | None]
    file: NotRequired[FileName]
    sha256: NotRequired[str]


class Run(TypedDict):
    """Where an exported config was trained."""

    threads: Annotated[int, Field(ge=1, le=4096)]
    device: Literal["cpu", "cuda"]
    lanes: NotRequired[Count]


class Validation(TypedDict):
    """By what a config was chosen."""

    metric: str


class Epoch(TypedDict):
    """The epoch of the exported weights."""

    epoch: Annotated[int, Field(ge=1)]
    score: Number


class Provenance(TypedDict):
    """Where an exported config is from."""

    trial_key: str


class Export(TypedDict):
    """What is read of an exported file."""

    trial: Trial
    run: Run
    exported: Epoch
    validation: Validation
    provenance: Provenance
    weights: NotRequired[File | None]
    input: NotRequired[Input | None]


class Confirm(TypedDict):
    """How winners are judged."""

    protocol: Literal["retrain", "holdout"]
    repeats: Annotated[int, Field(ge=1)]
    top: Annotated[int, Field(ge=1)]
    curve: bool


class CellFacts(TypedDict):
    """What tables say about a cell."""

    family: str
    label: str
    dataset: str
    noise: str
    model: str
    task: str
    noise_kind: NotRequired[str]
    noise_rate: Number | None
    searched: list[str]
    mode: Literal["max", "min"]
    repeats: NotRequired[Count]
    rung: NotRequired[Count]
    phase: NotRequired[str]
    chosen: NotRequired[list[Count]]
    search_cell: NotRequired[str]
    asked: NotRequired[Confirm]
    written: NotRequired[Confirm]


class Select(TypedDict):
    """What a launched study selects by."""

    metric: str
    labels: Literal["noisy", "clean"]
    epoch: Literal["best", "last"]


class Search(TypedDict):
    """How a launched study searches."""

    repeats: Count


class Spec(TypedDict):
    """A launched study."""

    name: str
    dataset: list[Named]
    training: dict[str, Any]
    select: Select
    search: Search


class TrialFacts(TypedDict):
    """What a trial found."""

    test: NotRequired[Metrics]


class SpecRow(TypedDict):
    """A row of `specs`; the others likewise."""

    spec: Json[Spec]
    environment: Json[dict[str, Any]]


class CellRow(TypedDict):
    """A row of `cells`."""

    position: int
    phase: str
    facts: Json[CellFacts]


class ConfigRow(TypedDict):
    """A row of `configs`."""

    number: Count
    params: Json[dict[str, Any]]


class TrialRow(TypedDict):
    """A row of `trials`."""

    repeat: Count
    trial: Json[Trial]
    state: Literal[STATES]  # type: ignore[valid-type]  # a tuple of its words
    reason: str
    epoch: Count
    best_epoch: Count
    best_score: Number | None
    last_score: Number | None
    seconds: Number
    attempts: Count
    facts: Json[TrialFacts]
    started_at: Number | None
    ended_at: Number | None


class ReportRow(TypedDict):
    """A row of `reports`."""

    epoch: Count
    metrics: Json[Metrics]


class EventRow(TypedDict):
    """A row of `events`."""

    time: Number
    kind: str
    message: str


ROWS: dict[str, Any] = {
    "specs": SpecRow, "cells": CellRow, "configs": ConfigRow, "trials": TrialRow, "reports": ReportRow,
    "events": EventRow,
}  # fmt: skip


def misfit(values: Mapping[str, Any], shape: Any) -> str | None:
    """The first thing in `values` that has another shape: `trial.seeds.order = "x": it should be a valid integer`."""
    try:
        _adapter(shape).validate_python(values, strict=True)
    except ValidationError as problem:
        error = problem.errors()[0]
        where = ".".join(str(part) for part in error["loc"])
        if error["type"] == "missing":
            return f"{where} is missing"
        said = error["msg"].partition(" should ")[2] or error["msg"]
        return f"{where} = {json.dumps(error['input'], default=str)[:80]}: it should {said}"
    return None


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
