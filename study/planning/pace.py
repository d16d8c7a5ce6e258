"""How long an epoch takes, by the kind of trial: what a study's own trials took."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from study.planning.memory import signature
from study.records.ledger import Ledger
from trainables.trial import Trial


@dataclass(frozen=True)
class Pace:
    """Seconds of an epoch: the mean of what was timed, and how low and how high it was."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, timed: list[float]) -> Pace:
        """The mean of several times, a standard deviation below and above, and no further than they went."""
        mean, sd = statistics.fmean(timed), statistics.stdev(timed) if len(timed) > 1 else 0.0
        return cls(mean, max(min(timed), mean - sd), min(max(timed), mean + sd))

    @classmethod
    def mean_of(cls, paces: list[Pace]) -> Pace:
        """The pace where each of several is as likely."""
        return cls(*(statistics.fmean(getattr(pace, name) for pace in paces) for name in ("mean", "low", "high")))


def kind_of(trial: Trial, dataset: str) -> str:
    """What trials have in common whose epochs take about as long: all but the noise, on the data set of this title.

    Its files may be elsewhere, or others stand in for them. ValueError as `signature` says.
    """
    return signature({**trial, "dataset": {"digest": dataset}})


def epochs_timed(ledger: Ledger) -> dict[str, list[float]]:
    """The seconds of an epoch of each trial of the search that has one, by its kind; '' where that cannot be told."""
    titles: dict[str, Any] = {key: facts["dataset"] for key, facts in ledger.cells(all_scopes=True)}
    dataset_of = {config: titles[cell] for cell, config, _, _ in ledger.configs(all_scopes=True) if cell in titles}
    found: dict[str, list[float]] = {}
    for record in ledger.trials().values():
        if record.epoch and record.config_key in dataset_of:
            try:
                kind = kind_of(ledger.trial(record.key), dataset_of[record.config_key])
            except ValueError:  # a loss of one's own that is gone
                kind = ""
            found.setdefault(kind, []).append(record.seconds / record.epoch)
    return found
