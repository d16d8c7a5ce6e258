"""What a study would take, before it is launched."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from study.errors import StudyError
from study.planning.agenda import SCREENING, budget_text, scheduler_text
from study.planning.drift import drift, new_code, refuse
from study.planning.feasibility import check_budget, check_feasible, doubts
from study.planning.memory import MemoryGauge, MemoryNeed
from study.planning.plan import Cell, Config, Plan
from study.planning.preflight import check_against_ledger, num_lanes, num_workers
from study.planning.stand_in import plan_without_data
from study.records import states
from study.records.environment import describe_environment
from study.records.ledger import Ledger
from study.records.ledger_reader import TrialRecord
from study.records.paths import Home
from study.search import Params
from study.spec import StudySpec
from trainables.trial import Trial

BATCHES = 4  # that a pilot trains on
TIMES = 3  # that it does so, for the spread
SOON_S = 5.0


@dataclass(frozen=True)
class Forecast:
    """Cells and trials of a plan, on so many `processes` with at most `lanes` trials each at a time.

    `seconds` is the time they take where no trial is stopped early, between `seconds_low` and `seconds_high` by the
    spread of what was timed; it is an upper bound where the pace is that of a trial `alone` though lanes will share a
    process: `seconds_low` is then what it takes where lanes cost nothing. `fitting` are the seconds of the low reading
    by how many configs each cell has. `budget` is the study's `search.epochs`. `doubts` says in a sentence each what
    was hardly meant so, `assumed` what data was not there to be looked at, `changes` what has changed since the
    study's trials ran; epochs and times are None where the data's size is not known. `memory` is what trials take, and
    how many fit, by their kind; empty where nothing was timed here and now.
    """

    cells: list[dict[str, Any]]
    trials: int
    missing: int
    epochs: int | None  # of the longest trial
    processes: int
    lanes: int
    seconds_per_epoch: float | None
    seconds: float | None
    alone: bool
    basis: str
    doubts: list[str]
    assumed: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    budget: int | None = None
    seconds_low: float | None = None
    seconds_high: float | None = None
    fitting: tuple[float, ...] = ()
    memory: tuple[MemoryNeed, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: value for name, value in asdict(self).items() if name != "fitting"}


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


def foresee(spec: StudySpec, home: Home, *, strict: bool = False, processes: int | None = None) -> Forecast:
    """Count the trials of a study, and estimate their time: from its ledger, or by a few batches here and now.

    They run in so many `processes`, by default as many as this machine has room for.

    StudyError where a launch would be refused, with `strict` too where code or versions have changed.
    """
    assumed = plan_without_data(spec, home.cache)
    plan = assumed.plan
    check_feasible(plan, home.cache)
    if assumed.sized:
        check_budget(plan)
    path = home.study(spec.name).ledger
    check_against_ledger(plan, path)
    changes = tuple(drift(path, describe_environment()))
    if strict:
        refuse(spec.name, list(changes))
    records: dict[str, TrialRecord] = {}
    before: dict[str, list[Params]] = {}
    if path.is_file():
        with Ledger(path) as ledger:
            records = ledger.trials()
            for cell_key, _, _, params in ledger.configs(all_scopes=True):
                before.setdefault(cell_key, []).append(params)
    known = {cell.key: _known_configs(cell, before.get(cell.key, [])) for cell in plan.cells}
    to_come, seen = [], set[str]()
    for cell in plan.cells:
        to_come.append(ToCome.of(cell, known[cell.key], records, seen))
    if path.is_file():
        with Ledger(path) as ledger:
            changes += tuple(
                new_code(
                    ledger, plan.cells, known, {key for key in seen if key not in records or not records[key].epoch}
                )
            )
    timed = [record.seconds / record.epoch for record in records.values() if record.epoch]
    gauge = MemoryGauge(spec)
    if timed:
        pace, basis = Pace.of(timed), f"from {len(timed)} trials of this study"
    elif assumed.sized:
        pace, basis = _pilot(plan, home, gauge), f"from {BATCHES} batches of each task"
    else:
        pace, basis = None, "without the size of the data"
    cells = [
        {
            "family": cell.name,
            "task": cell.task.title,
            "configs": cell.num_configs,
            "repeats": spec.search.repeats,
            "trials": cell.num_configs * spec.search.repeats,
        }
        for cell in plan.cells
    ]
    processes, lanes = processes or num_workers(spec), num_lanes(spec)
    said, most_epochs = doubts(plan) if assumed.sized else [], plan.most_epochs if assumed.sized else None
    if assumed.said and records:
        said.append("without its data a study's own trials are not found again: all count as still to run")
    missing, alone = sum(cell.trials for cell in to_come), lanes > 1 and not timed
    forecast = Forecast(
        cells, plan.num_trials, missing, most_epochs, processes, lanes, pace.mean if pace else None, None, alone, basis,
        said, assumed.said, changes, spec.search.epochs, memory=tuple(gauge.needs.values()),
    )  # fmt: skip
    if not assumed.sized or pace is None:
        return forecast
    to_train = sum(cell.epochs() for cell in to_come) / processes
    low = pace.low / (max(1, min(lanes, missing // processes)) if alone else 1)
    most_configs = max(cell.num_configs for cell in plan.cells)
    fitting = tuple(
        sum(cell.epochs(configs) for cell in to_come) * low / processes for configs in range(most_configs + 1)
    )
    return replace(
        forecast, seconds=to_train * pace.mean, seconds_low=to_train * low, seconds_high=to_train * pace.high,
        fitting=fitting,
    )  # fmt: skip


@dataclass(frozen=True)
class ToCome:
    """What a cell has still to train at the most: its `trials`, and epochs config by config.

    Of a budget `screening_left` epochs are left for the configs' first repeats, `repeats_left` for the others, which
    only a config gets that was screened to its end.
    """

    trials: int
    screening: list[int]
    repeats: list[int]
    screening_left: float = math.inf
    repeats_left: float = math.inf

    @classmethod
    def of(cls, cell: Cell, known: list[Config], records: Mapping[str, TrialRecord], seen: set[str]) -> ToCome:
        """What a cell has to train, but for trials that others before it train as well: their keys are `seen`."""
        spec, trials, spent, repeated = cell.spec, 0, 0, 0
        screening, repeats = [], []
        for config in known:
            missing = [(key, n) for key, n in _missing(config, spec, records) if key not in seen]
            seen.update(key for key, _ in missing)
            first, *others = (config.trial_key(repeat) for repeat in range(spec.search.repeats))
            spent += records[first].epoch if first in records else 0
            repeated += sum(records[key].epoch for key in others if key in records)
            screening.append(sum(n for key, n in missing if key == first))
            repeats.append(sum(n for key, n in missing if key != first))
            trials += len(missing)
        unknown, others_each = cell.num_configs - len(known), spec.search.repeats - 1
        screening += [cell.most_epochs] * unknown
        repeats += [cell.most_epochs * others_each] * unknown
        trials += unknown * spec.search.repeats
        budget = spec.search.epochs
        if budget is None:
            return cls(trials, screening, repeats)
        return cls(trials, screening, repeats, max(0, budget - spent), max(0, budget * others_each - repeated))

    def epochs(self, configs: int | None = None) -> float:
        """The epochs to come, of all configs or of the first so many."""
        screening, repeats = sum(self.screening[:configs]), sum(self.repeats[:configs])
        return min(screening, self.screening_left) + min(repeats, self.repeats_left)


def _known_configs(cell: Cell, before: list[Params]) -> list[Config]:
    """The configs that can be foreseen, or where they depend on results those of earlier launches."""
    proposer = cell.proposer()
    if cell.spec.search.epochs is not None and proposer.foreseeable:  # as many as there ever were, not as there may be
        first = islice(iter(proposer.ask, None), len(before))
        return [Config(cell, number, params) for number, params in enumerate(first)]
    if cell.configs:
        return cell.configs
    recalled = sum(proposer.recall(params) for params in before)
    asked = [proposer.ask() for _ in range(min(recalled, cell.num_configs))]
    return [Config(cell, number, params) for number, params in enumerate(asked) if params is not None]


def _missing(config: Config, spec: StudySpec, records: Mapping[str, TrialRecord]) -> list[tuple[str, int]]:
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


def _pilot(plan: Plan, home: Home, gauge: MemoryGauge) -> Pace:
    """Seconds of an epoch over one cell of each task, from a few batches of each; the memory of every kind of trial."""
    import torch

    torch.set_num_threads(max(1, int(plan.spec.resources.cpus)))
    paces: dict[str, Pace] = {}
    for cell in plan.cells:
        params = cell.proposer().ask()
        assert params is not None, "a cell has at least one config"
        try:
            trial = Config(cell, 0, params).trial(0)
            if not gauge.knows(trial, cell.name) or cell.task.title not in paces:
                pace = Pace.of(_paces(trial, cell, home.cache, gauge))
                paces.setdefault(cell.task.title, pace)
        except ValueError as problem:
            raise StudyError(f"{cell.task.title}: {problem}") from None
    return Pace(*(statistics.fmean(getattr(pace, name) for pace in paces.values()) for name in ("mean", "low", "high")))


def _paces(trial: Trial, cell: Cell, cache: Path, gauge: MemoryGauge) -> list[float]:
    """Seconds of an epoch, from a few batches, some times over and without the first time if that is soon over."""
    from trainables.data.store import content_hash
    from trainables.data.task import load_task
    from trainables.engine.lanes import LaneArray
    from trainables.engine.session import make_lane

    data = load_task(trial["dataset"], trial["split"], trial["noise"], cache)
    share = min(1.0, BATCHES * trial["training"]["batch_size"] / len(data.train_index))
    train, val = (
        index[np.linspace(0, len(index) - 1, max(1, round(share * len(index)))).astype(int)]
        for index in (data.train_index, data.val_index)
    )
    few = replace(data, train_index=train, val_index=val, split_digest=content_hash(train, val))
    lane = make_lane("pilot", trial, few)
    array = LaneArray(few, trial["model"], trial["training"], gauge.device, lane.modules)
    with gauge.measuring(trial, cell.task, cell.name):
        array.add(lane)
        seconds = [array.advance()["pilot"]["seconds"]]
    if seconds[0] < SOON_S:
        seconds = [array.advance()["pilot"]["seconds"] for _ in range(TIMES if seconds[0] < SOON_S / TIMES else 1)]
    return [each * cell.task.num_train / len(train) for each in seconds]
