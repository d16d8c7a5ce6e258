"""What a study would take, before it is launched."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from study import states
from study.agenda import SCREENING, scheduler_text
from study.errors import StudyError
from study.feasibility import check_feasible, doubts
from study.ledger import Ledger, TrialRecord
from study.paths import Home
from study.plan import Cell, Config, Plan
from study.preflight import check_against_ledger, num_lanes, num_workers
from study.search import Params
from study.spec import StudySpec
from study.stand_in import plan_without_data
from trainables.trial import Trial

BATCHES = 4  # that a pilot trains on
SOON_S = 5.0


@dataclass(frozen=True)
class Forecast:
    """Cells and trials of a plan, on so many `processes` with at most `lanes` trials each at a time.

    `seconds` is the time they take where no trial is stopped early; it is an upper bound where the pace is that of a
    trial `alone` though lanes will share a process. `doubts` says in a sentence each what was hardly meant so,
    `assumed` what data was not there to be looked at; epochs and times are None where its size is not known.
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

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def foresee(spec: StudySpec, home: Home) -> Forecast:
    """Count the trials of a study, and estimate their time: from its ledger, or by a few batches here and now."""
    assumed = plan_without_data(spec, home.cache)
    plan = assumed.plan
    check_feasible(plan, home.cache)
    path = home.study(spec.name).ledger
    check_against_ledger(plan, path)
    records: dict[str, TrialRecord] = {}
    before: dict[str, list[Params]] = {}
    if path.is_file():
        with Ledger(path) as ledger:
            records = ledger.trials()
            for cell_key, _, _, params in ledger.configs(all_scopes=True):
                before.setdefault(cell_key, []).append(params)
    known = [config for cell in plan.cells for config in _known_configs(cell, before.get(cell.key, []))]
    unknown = sum(cell.num_configs for cell in plan.cells) - len(known)
    epochs = {key: n for config in known for key, n in _missing(config, spec, records)}  # cells may share a trial
    missing = len(epochs) + unknown * spec.search.repeats
    timed = [record.seconds / record.epoch for record in records.values() if record.epoch]
    if timed:
        pace, basis = statistics.fmean(timed), f"from {len(timed)} trials of this study"
    elif assumed.sized:
        pace, basis = _pilot(plan, home), f"from {BATCHES} batches of each task"
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
    processes, lanes = num_workers(spec), num_lanes(spec)
    said, most_epochs = doubts(plan) if assumed.sized else [], plan.most_epochs if assumed.sized else None
    if assumed.said and records:
        said.append("without its data a study's own trials are not found again: all count as still to run")
    to_train = sum(epochs.values()) + unknown * spec.search.repeats * plan.most_epochs
    seconds = to_train * pace / processes if assumed.sized and pace is not None else None
    return Forecast(
        cells, plan.num_trials, missing, most_epochs, processes, lanes, pace, seconds,
        lanes > 1 and not timed, basis, said, assumed.said,
    )  # fmt: skip


def _known_configs(cell: Cell, before: list[Params]) -> list[Config]:
    """The configs that can be foreseen, or where they depend on results those of earlier launches."""
    if cell.configs:
        return cell.configs
    proposer = cell.proposer()
    recalled = sum(proposer.recall(params) for params in before)
    asked = [proposer.ask() for _ in range(min(recalled, cell.num_configs))]
    return [Config(cell, number, params) for number, params in enumerate(asked) if params is not None]


def _missing(config: Config, spec: StudySpec, records: dict[str, TrialRecord]) -> list[tuple[str, int]]:
    """The trials of a config that are still to run, at the most, and how many epochs each has."""
    keys = [config.trial_key(repeat) for repeat in range(spec.search.repeats)]
    screened = records.get(keys[SCREENING])
    if screened and screened.state == states.DIVERGED:
        return []
    if screened and screened.state == states.STOPPED_EARLY and screened.stopped_under == scheduler_text(spec):
        return []
    done = (states.COMPLETED, states.DIVERGED)
    epochs = config.trial(SCREENING)["training"]["epochs"]
    return [(key, epochs) for key in keys if key not in records or records[key].state not in done]


def _pilot(plan: Plan, home: Home) -> float:
    """Mean seconds of an epoch over one cell of each task, from a few batches of each."""
    import torch

    torch.set_num_threads(max(1, int(plan.spec.resources.cpus)))
    paces = []
    for cell in {id(cell.task): cell for cell in plan.cells}.values():
        params = cell.proposer().ask()
        assert params is not None, "a cell has at least one config"
        try:
            paces.append(_pace(Config(cell, 0, params).trial(0), cell.task.num_train, home.cache))
        except ValueError as problem:
            raise StudyError(f"{cell.task.title}: {problem}") from None
    return statistics.fmean(paces)


def _pace(trial: Trial, num_train: int, cache: Path) -> float:
    """Seconds of an epoch of `num_train` images, from a few batches, without the first time if that is soon over."""
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
    array = LaneArray(few, trial["model"], trial["training"], modules=lane.modules)
    array.add(lane)
    seconds = array.advance()["pilot"]["seconds"]
    if seconds < SOON_S:
        seconds = array.advance()["pilot"]["seconds"]
    return seconds * num_train / len(train)
