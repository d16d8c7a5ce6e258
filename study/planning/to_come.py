"""What a study has still to train, at the most, by what its ledger knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from study.planning.agenda import SCREENING, budget_text, scheduler_text
from study.planning.plan import Cell, Config
from study.records import states
from study.records.ledger_reader import TrialRecord
from study.search import Params
from study.spec import StudySpec


@dataclass(frozen=True)
class ToCome:
    """What a cell has still to train at the most: its `trials`, and epochs config by config.

    The first configs are the `known` ones. Of a budget `screening_left` epochs are left for the configs' first repeats,
    `repeats_left` for the others, which only a config gets that was screened to its end.
    """

    cell: Cell
    known: list[Config]
    trials: list[int]
    screening: list[int]
    repeats: list[int]
    screening_left: float = math.inf
    repeats_left: float = math.inf

    @classmethod
    def of(cls, cell: Cell, known: list[Config], records: Mapping[str, TrialRecord], seen: set[str]) -> ToCome:
        """What a cell has to train, but for trials that others before it train as well: their keys are `seen`."""
        spec, spent, repeated = cell.spec, 0, 0
        trials, screening, repeats = [], [], []
        for config in known:
            missing = [(key, n) for key, n in missing_trials(config, spec, records) if key not in seen]
            seen.update(key for key, _ in missing)
            first, *others = (config.trial_key(repeat) for repeat in range(spec.search.repeats))
            spent += records[first].epoch if first in records else 0
            repeated += sum(records[key].epoch for key in others if key in records)
            screening.append(sum(n for key, n in missing if key == first))
            repeats.append(sum(n for key, n in missing if key != first))
            trials.append(len(missing))
        unknown, others_each = cell.num_configs - len(known), spec.search.repeats - 1
        screening += [cell.most_epochs] * unknown
        repeats += [cell.most_epochs * others_each] * unknown
        trials += [spec.search.repeats] * unknown
        budget = spec.search.epochs
        if budget is None:
            return cls(cell, known, trials, screening, repeats)
        left = max(0, budget - spent), max(0, budget * others_each - repeated)
        return cls(cell, known, trials, screening, repeats, *left)

    @property
    def epochs(self) -> float:
        """The epochs to come."""
        return self.seconds([1.0] * len(self.trials))[-1]

    def seconds(self, paces: Sequence[float]) -> list[float]:
        """What the epochs to come of the first 0, 1, 2, ... configs take, by the seconds of an epoch of each config."""
        screening, repeats = ((self.screening, self.screening_left), (self.repeats, self.repeats_left))
        return [sum(both) for both in zip(_within(*screening, paces), _within(*repeats, paces), strict=True)]


def _within(epochs: Sequence[int], left: float, paces: Sequence[float]) -> list[float]:
    """The seconds of the first configs' epochs, of no more than are left, each giving up the same part of its own."""
    counts = accumulate(epochs, initial=0)
    seconds = accumulate((count * pace for count, pace in zip(epochs, paces, strict=True)), initial=0.0)
    return [whole * min(1.0, left / count) if count else 0.0 for count, whole in zip(counts, seconds, strict=True)]


def known_configs(cell: Cell, before: Sequence[Params]) -> list[Config]:
    """The configs of a cell that can be foreseen, or where they depend on results those of earlier launches."""
    proposer = cell.proposer()
    if cell.spec.search.epochs is not None and proposer.foreseeable:  # as many as there ever were, not as there may be
        first = islice(iter(proposer.ask, None), len(before))
        return [Config(cell, number, params) for number, params in enumerate(first)]
    if cell.configs:
        return cell.configs
    recalled = sum(proposer.recall(params) for params in before)
    asked = [proposer.ask() for _ in range(min(recalled, cell.num_configs))]
    return [Config(cell, number, params) for number, params in enumerate(asked) if params is not None]


def missing_trials(config: Config, spec: StudySpec, records: Mapping[str, TrialRecord]) -> list[tuple[str, int]]:
    """The trials of a config that are still to run, at the most, and how many epochs each has."""
    keys = [config.trial_key(repeat) for repeat in range(spec.search.repeats)]
    screened = records.get(keys[SCREENING])
    if screened and screened.state == states.DIVERGED:
        return []
    stops = (scheduler_text(spec), budget_text(spec))
    if screened and screened.state == states.STOPPED_EARLY and screened.stopped_under in stops:
        return []
    done = (states.COMPLETED, states.DIVERGED)
    epochs = config.trial(SCREENING)["training"]["epochs"]
    return [(key, epochs) for key in keys if key not in records or records[key].state not in done]
