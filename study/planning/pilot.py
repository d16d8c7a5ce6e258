"""What a study would take, before it is launched."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from study.errors import StudyError
from study.planning.agenda import SCREENING
from study.planning.drift import drift, new_code, refuse
from study.planning.feasibility import check_budget, check_feasible, doubts, hanging
from study.planning.hang import ended_after
from study.planning.memory import MemoryGauge, MemoryNeed
from study.planning.pace import Pace, epochs_timed, kind_of
from study.planning.plan import Cell, Config
from study.planning.preflight import check_against_ledger, num_lanes, num_workers
from study.planning.stand_in import plan_without_data
from study.planning.to_come import ToCome, known_configs
from study.planning.warm_start import check_warm_start
from study.records.environment import describe_environment
from study.records.ledger import Ledger
from study.records.ledger_reader import TrialRecord
from study.records.paths import Home
from study.results.numbers import counted
from study.search import Params
from study.spec import StudySpec
from trainables.own import is_own
from trainables.trial import Trial

if TYPE_CHECKING:
    from trainables.engine.lane import Metrics
    from trainables.engine.lanes import LaneArray

BATCHES = 4  # that a pilot trains on
TIMES = 3  # that it does so, for the spread
SOON_S = 5.0
NEW_KINDS = 4  # of trials in a cell that are tried out, where its batches have many sizes
NOTHING = Pace(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Forecast:
    """Cells and trials of a plan, on so many `processes` with at most `lanes` trials each at a time.

    `seconds` is the time they take where no trial is stopped early, between `seconds_low` and `seconds_high` by the
    spread of what was timed, each trial at the pace of its kind; it is an upper bound where a pace is that of a trial
    `alone` though lanes will share a process: `seconds_low` is then what it takes where lanes cost nothing.
    `seconds_per_epoch` is the mean over the epochs to come, `fitting` are the seconds by how many configs each cell
    has. `budget` is the study's `search.epochs`. `doubts` says in a sentence each what was hardly meant so, `assumed`
    what data was not there to be looked at, `changes` what has changed since the study's trials ran; epochs and times
    are None where the data's size is not known. `memory` is what trials take, and how many fit, by their kind, of the
    kinds that never ran.
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


def foresee(spec: StudySpec, home: Home, *, strict: bool = False, processes: int | None = None) -> Forecast:
    """Count the trials of a study, and estimate their time: from its ledger, or a few batches of kinds that never ran.

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
    check_warm_start(spec, home)
    changes = (*drift(path, describe_environment()), *new_code(path, plan.cells))
    if strict:
        refuse(spec.name, list(changes))
    records: dict[str, TrialRecord] = {}
    before: dict[str, list[Params]] = {}
    timed: dict[str, list[float]] = {}
    if path.is_file():
        with Ledger(path) as ledger:
            records, timed = ledger.trials(), epochs_timed(ledger)
            for cell_key, _, _, params in ledger.configs(all_scopes=True):
                before.setdefault(cell_key, []).append(params)
    seen: set[str] = set()
    to_come = [ToCome.of(cell, known_configs(cell, before.get(cell.key, [])), records, seen) for cell in plan.cells]
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
    said, most_epochs = doubts(plan) if assumed.sized else [], plan.most_epochs if assumed.sized else None
    if assumed.said and records:
        said.append("without its data a study's own trials are not found again: all count as still to run")
    processes, every = processes or num_workers(spec), [each for kind in timed.values() for each in kind]
    forecast = Forecast(
        cells, plan.num_trials, sum(sum(cell.trials) for cell in to_come), most_epochs, processes, num_lanes(spec),
        statistics.fmean(every) if every else None, None, False, _basis(len(every), 0), said, assumed.said, changes,
        spec.search.epochs,
    )  # fmt: skip
    return _timed(forecast, to_come, timed, home) if assumed.sized else forecast


def _timed(forecast: Forecast, to_come: list[ToCome], timed: Mapping[str, list[float]], home: Home) -> Forecast:
    """The forecast with the time that is to come, each config at the pace of its kind, and the memory of new kinds."""
    gauge = MemoryGauge(to_come[0].cell.spec)
    priced = _price(to_come, {kind: Pace.of(seconds) for kind, seconds in timed.items()}, home, gauge)
    trials: Counter[str] = Counter()
    for cell, configs in zip(to_come, priced, strict=True):
        for number, (kind, _) in enumerate(configs):
            trials[kind] += cell.trials[number]
    new = {kind: count for kind, count in trials.items() if count and kind not in timed}
    at_once = min(forecast.lanes, sum(new.values()) // forecast.processes)
    lanes = {kind: max(1, min(at_once, count)) for kind, count in new.items()}

    def seconds(read: Callable[[str, Pace], float]) -> list[float]:
        """Of the first 0, 1, 2, ... configs of each cell."""
        each = [
            cell.seconds([read(kind, pace) for kind, pace in configs])
            for cell, configs in zip(to_come, priced, strict=True)
        ]
        most_configs = max(map(len, each))
        return [sum(cell[min(n, len(cell) - 1)] for cell in each) / forecast.processes for n in range(most_configs)]

    about, epochs = seconds(lambda _, pace: pace.mean), sum(cell.epochs for cell in to_come)
    known = [kind for kind, count in trials.items() if count and kind in timed]
    return replace(
        forecast,
        seconds_per_epoch=about[-1] * forecast.processes / epochs if epochs else forecast.seconds_per_epoch or 0.0,
        seconds=about[-1],
        seconds_low=seconds(lambda kind, pace: pace.low / lanes.get(kind, 1))[-1],
        seconds_high=seconds(lambda _, pace: pace.high)[-1],
        fitting=tuple(about),
        alone=forecast.lanes > 1 and bool(new),
        basis=_basis(sum(len(timed[kind]) for kind in known), len(new)) if epochs else forecast.basis,
        memory=tuple(gauge.needs.values()),
        doubts=[*forecast.doubts, *gauge.doubts],
    )


def _basis(trials: int, new: int) -> str:
    """What an estimate rests on: trials that ran, and the kinds of trials that were new and tried out."""
    ran = f"{counted(trials, 'trial')} of this study" if trials else ""
    tried = f"{BATCHES} batches of each {'new ' if trials else ''}kind of trial" if new else ""
    return f"from {' and '.join(filter(None, (ran, tried)))}" if ran or tried else "without a trial to go by"


def _price(
    to_come: list[ToCome], timed: Mapping[str, Pace], home: Home, gauge: MemoryGauge
) -> list[list[tuple[str, Pace]]]:
    """The kind of each config of each cell and its pace: as timed, or from a few batches of one such trial, now.

    Of the new kinds of a cell no more than `NEW_KINDS` are tried out; others take what these take in the mean. A loss
    of the user's own is tried out itself, whatever is known of its kind.
    """
    tried: dict[str, Pace] = {}
    priced = []
    for come in to_come:
        cell, configs, own = come.cell, _examples(come), dict[str, Pace]()
        kinds = [kind_of(config.trial(SCREENING), cell.task.dataset.title) if config else "" for config in configs]
        for kind, config in dict(zip(kinds, configs, strict=True)).items():
            if config is None or kind in timed or len(own) == NEW_KINDS:
                continue
            if kind not in tried or is_own(cell.family.family):
                tried.setdefault(kind, _pilot(config, home, gauge))
            gauge.knows(config.trial(SCREENING), cell.name)
            own[kind] = tried[kind]
        known = {**tried, **timed, "": NOTHING}
        others = Pace.mean_of([*own.values()] or [NOTHING])
        priced.append([(kind, known.get(kind, others)) for kind in kinds])
    return priced


def _examples(come: ToCome) -> list[Config | None]:
    """Of each config of a cell itself, or where it is not known the first one; None where nothing is to come of it."""
    configs = list(come.known)
    if (unknown := len(come.trials) - len(configs)) > 0:
        params = come.cell.proposer().ask()
        assert params is not None, "a cell has at least one config"
        configs += [Config(come.cell, 0, params)] * unknown
    return [config if trials else None for config, trials in zip(configs, come.trials, strict=True)]


def _pilot(config: Config, home: Home, gauge: MemoryGauge) -> Pace:
    """Seconds of an epoch of a trial of this config, from a few batches, and the memory that it takes."""
    import torch

    torch.set_num_threads(max(1, int(gauge.spec.resources.cpus)))
    try:
        return Pace.of(_paces(config.trial(SCREENING), config.cell, home.cache, gauge))
    except ValueError as problem:
        raise StudyError(f"{config.cell.task.title}: {problem}") from None


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
        first = _advance(array, cell)
    if not math.isfinite(first["train_loss"]):
        gauge.doubts.append(
            f"{cell.name} on {cell.task.title}: its loss is {first['train_loss']} within {BATCHES} batches"
        )
    seconds = [first["seconds"]]
    if seconds[0] < SOON_S:
        seconds = [_advance(array, cell)["seconds"] for _ in range(TIMES if seconds[0] < SOON_S / TIMES else 1)]
    return [each * cell.task.num_train / len(train) for each in seconds]


def _advance(array: LaneArray, cell: Cell) -> Metrics:
    """The metrics of a few batches; StudyError where they hang."""
    limit_s = cell.spec.resources.timeout_s
    with ended_after(limit_s, hanging(cell, f"{BATCHES} batches take longer than {limit_s:g} s")):
        return array.advance()["pilot"]
