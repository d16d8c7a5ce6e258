"""What a study would take, before it is launched."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Any

from study import ledger as states
from study.agenda import SCREENING, scheduler_text
from study.ledger import Ledger, TrialRecord
from study.paths import Home
from study.plan import Config, Plan, make_plan
from study.preflight import check_against_ledger, concurrent_trials
from study.spec import StudySpec


@dataclass(frozen=True)
class Forecast:
    """Cells and trials of a plan; `seconds` is the time they take where no trial is stopped early."""

    cells: list[dict[str, Any]]
    trials: int
    missing: int
    slots: int
    seconds_per_epoch: float
    seconds: float
    basis: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def foresee(spec: StudySpec, home: Home) -> Forecast:
    """Count the trials of a study, and estimate their time from its ledger, or by training two epochs here and now."""
    plan = make_plan(spec, home.cache)
    path = home.study(spec.name).ledger
    check_against_ledger(plan, path)
    records = {}
    if path.is_file():
        with Ledger(path) as ledger:
            records = ledger.trials()
    missing = sum(_missing(config, spec, records) for cell in plan.cells for config in plan.configs(cell))
    missing += sum(plan.num_configs(cell) * spec.search.repeats for cell in plan.cells if not plan.configs(cell))
    timed = [record.seconds / record.epoch for record in records.values() if record.epoch]
    if timed:
        pace, basis = statistics.fmean(timed), f"from {len(timed)} trials of this study"
    else:
        pace, basis = _pilot(plan, home), "from a pilot of one epoch per task"
    cells = [
        {
            "family": cell.name,
            "task": cell.task.title,
            "configs": plan.num_configs(cell),
            "repeats": spec.search.repeats,
            "trials": plan.num_configs(cell) * spec.search.repeats,
        }
        for cell in plan.cells
    ]
    slots = concurrent_trials(spec)
    seconds = missing * spec.training.epochs * pace / slots
    return Forecast(cells, plan.num_trials, missing, slots, pace, seconds, basis)


def _missing(config: Config, spec: StudySpec, records: dict[str, TrialRecord]) -> int:
    """How many trials of a config are still to run, at the most."""
    known = [records.get(config.trial_key(repeat)) for repeat in range(spec.search.repeats)]
    states_of = [record.state if record else states.WAITING for record in known]
    screened = known[SCREENING]
    if screened and screened.state == states.DIVERGED:
        return 0
    if screened and screened.state == states.STOPPED_EARLY and screened.stopped_under == scheduler_text(spec):
        return 0
    return sum(state not in (states.COMPLETED, states.DIVERGED) for state in states_of)


def _pilot(plan: Plan, home: Home) -> float:
    """Mean seconds of an epoch over one cell of each task, the first epoch left out as warm-up."""
    import torch

    from trainables.engine.session import Session

    spec = plan.spec
    torch.set_num_threads(max(1, int(spec.resources.cpus)))
    paces = []
    for cell in {id(cell.task): cell for cell in plan.cells}.values():
        params = cell.proposer().ask()
        assert params is not None, "a cell has at least one config"
        session = Session("pilot", Config(cell, 0, params).trial(0), home.cache)
        session.advance()
        paces.append(session.advance()["seconds"])
    return statistics.fmean(paces)
