"""The noises that a study asks for, settled for the classes of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import PlacedStudyError, StudyError
from study.spec import NoiseSpec, StudySpec
from trainables.data.noise import CLEAN, settle, title, with_seed
from trainables.data.task import TaskData, load_task


@dataclass(frozen=True)
class TaskNoise:
    """The noise of a task: `described` as in a trial, but without a seed.

    `realised` is the share of the first repeat's training labels that it changed.
    """

    described: dict[str, Any]
    name: str
    realised: float

    @property
    def kind(self) -> str:
        """Its kind; `none` for a clean task."""
        return str(self.described["kind"])

    @property
    def rate(self) -> float:
        """The rate that was asked for; for a kind without one, the realised rate."""
        return float(self.described.get("rate", self.realised))

    def seeded(self, seed: int) -> dict[str, Any]:
        """As a trial describes it."""
        return with_seed(self.described, seed)


def task_noises(
    spec: StudySpec, dataset: Mapping[str, Any], split: Mapping[str, Any], seed: int, cache: Path
) -> list[TaskNoise]:
    """One for each noise and rate of the study on one data set; at rate 0 all kinds are the same one.

    StudyError where the split does not fit the data, PlacedStudyError where a noise does not.
    """
    try:
        clean = load_task(dataset, split, CLEAN, cache)
    except ValueError as problem:
        raise StudyError(f"dataset {dataset['name']}: {problem}") from None
    found: list[TaskNoise] = []
    for index, noise in enumerate(spec.noise):
        try:
            for settled in _on_data(noise, dataset, split, seed, clean, cache):
                if settled not in found:
                    found.append(settled)
        except ValueError as problem:
            raise PlacedStudyError(("noise", index, *list(noise.options)[:1]), str(problem)) from None
    return found


def _on_data(
    noise: NoiseSpec, dataset: Mapping[str, Any], split: Mapping[str, Any], seed: int, clean: TaskData, cache: Path
) -> Iterator[TaskNoise]:
    for value in noise.described():
        described = settle(value, dataset["name"], clean.pool.class_names)
        data = load_task(dataset, split, with_seed(described, seed), cache)
        yield TaskNoise(described, title(described, noise.label), data.realised_rate)
