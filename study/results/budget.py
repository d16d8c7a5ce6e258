"""What the search of each family was given, and what it took: configs, epochs, time on cores and GPUs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from study.records import states
from study.records.ledger_reader import TrialRecord
from study.records.states import UNFINISHED
from study.results.selection import CellResult

SHARED = {"lr": "learning rate", "weight_decay": "weight decay"}  # of the optimiser; a family may have its own

Kind = Literal["configs", "epochs", "grid", "paper's grid"]


@dataclass(frozen=True)
class Cost:
    """What the search of one family took on one task.

    `configs` that were begun, `epochs` of all their repeats, `screening_epochs` of the first ones, which alone a budget
    of epochs bounds. `core_seconds` and `gpu_seconds` are training time times the cores and the share of a GPU that it
    had; each is 0 where the other counts. `rung` is what one more config would have taken of that budget at the least.
    """

    family: str
    task: str
    configs: int
    epochs: int
    screening_epochs: int
    core_seconds: float
    gpu_seconds: float
    rung: int = 0


@dataclass(frozen=True)
class Budget:
    """The budget of a study's search, whether it was `equal` for all families of each task, and both in a `sentence`.

    `kind` is what was given: as many `configs`, as many `epochs`, or every point of a `grid`, of the file's own or of
    a paper's.
    """

    study: str
    kind: Kind
    equal: bool
    sentence: str
    costs: tuple[Cost, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def budget_of(study: str, spec: Mapping[str, Any], cells: Sequence[CellResult]) -> Budget:
    """The budget of a study's search; `spec` is its file as launched, `cells` are those of its search."""
    costs = tuple(_cost(cell, spec) for cell in cells)
    kind = _kind(spec)
    if kind == "epochs":
        given, equal = _epochs_in_words(spec, costs)
    else:
        given, equal = _configs_in_words(costs, kind)
    so_far = " The search is not at its end yet." if any(cell.counts[s] for cell in cells for s in UNFINISHED) else ""
    return Budget(study, kind, equal, f"{given}. {_shared_in_words(spec)}.{_learnt_in_words(spec)}{so_far}", costs)


def _kind(spec: Mapping[str, Any]) -> Kind:
    if spec["search"].get("epochs") is not None:
        return "epochs"
    if spec["search"]["name"] != "grid":
        return "configs"
    return "paper's grid" if spec.get("paper") else "grid"


def _cost(cell: CellResult, spec: Mapping[str, Any]) -> Cost:
    on_gpu = [trial for trial in cell.trials if trial.facts.get("device") == "cuda"]
    on_cpu = [trial for trial in cell.trials if trial.facts.get("device") != "cuda"]
    screening = [trial for trial in cell.trials if trial.repeat == 0]
    share = min(1.0, (spec.get("resources") or {}).get("gpus") or 1.0)
    return Cost(
        cell.facts["label"],
        cell.facts["task"],
        configs=sum(trial.state != states.WAITING for trial in screening),
        epochs=sum(trial.epoch for trial in cell.trials),
        screening_epochs=sum(trial.epoch for trial in screening),
        core_seconds=sum(trial.seconds * trial.facts.get("threads", 1) for trial in on_cpu),
        gpu_seconds=sum(trial.seconds * share for trial in on_gpu),
        rung=_rung(cell, screening) if spec["search"].get("epochs") is not None else 0,
    )


def _rung(cell: CellResult, screening: Sequence[TrialRecord]) -> int:
    """As the launch noted it; ledgers of older versions did not, whose configs had to pay for a whole training."""
    whole = [trial.epoch for trial in screening if trial.state == states.COMPLETED]
    rung: int = cell.facts.get("rung") or max(whole, default=1)
    return rung


def _configs_in_words(costs: Sequence[Cost], kind: Kind) -> tuple[str, bool]:
    counts = sorted({cost.configs for cost in costs})
    equal = all(len({c.configs for c in costs if c.task == task}) == 1 for task in {cost.task for cost in costs})
    if len(counts) == 1:
        said = f"each family had {counts[0]:,} config{'' if counts[0] == 1 else 's'} on each task"
    elif equal:
        said = f"the families of a task had equally many configs, {_span(counts)} by task"
    else:
        whom = {n: ", ".join(dict.fromkeys(cost.family for cost in costs if cost.configs == n)) for n in counts}
        said = f"families had {_listed([f'{n:,} ({families})' for n, families in whom.items()])} configs on each task; "
        said += "the comparison is not at equal budget"
    whose = {"configs": "", "grid": "the study's own grids: ", "paper's grid": "the paper's grids: "}[kind]
    return _capital(whose + said), equal


def _epochs_in_words(spec: Mapping[str, Any], costs: Sequence[Cost]) -> tuple[str, bool]:
    budget = spec["search"]["epochs"]
    took = _span(cost.screening_epochs for cost in costs)
    said = f"Each family had {budget:,} epochs on each task to screen its configs, and took {took}"
    short = list(dict.fromkeys(cost.family for cost in costs if budget - cost.screening_epochs >= cost.rung))
    if short:
        below = _span(budget - cost.screening_epochs for cost in costs if cost.family in short)
        return f"{said}; {_listed(short)} stayed {below} below, which no further config was begun for", False
    rungs = _span(cost.rung for cost in costs)
    rungs += " epoch" if rungs == "1" else " epochs"
    if all(_apart(costs, task) < min(c.rung for c in costs if c.task == task) for task in {c.task for c in costs}):
        return f"{said}: all but less than the {rungs} that one more config takes at the least", True
    return f"{said}, since one more config takes {rungs} at the least; the comparison is not at equal budget", False


def _apart(costs: Sequence[Cost], task: str) -> int:
    """By how many epochs of screening the families of a task differ."""
    took = [cost.screening_epochs for cost in costs if cost.task == task]
    return max(took) - min(took)


def _shared_in_words(spec: Mapping[str, Any]) -> str:
    """Whether learning rate and weight decay are the same, or searched in the same space, for all families."""
    said = []
    for name, words in SHARED.items():
        shared = spec["training"]["optimizer"].get(name)
        own = _with_their_own(spec, f"training.optimizer.{name}", shared)
        same = f"one space of the {words}" if isinstance(shared, dict) else f"one {words}"
        have = "has one of its own" if len(own) == 1 else "have ones of their own"
        but = f" but {_listed(own)}, which {have}" if own else ""
        said.append(f"{same} for all{but}")
    return _capital("; ".join(said))


def _learnt_in_words(spec: Mapping[str, Any]) -> str:
    """Of which study's results the search knew beforehand; empty where of none."""
    other = spec["search"].get("warm_start")
    return f" The search learnt from the results of study '{other}' first, whose cost is not counted." if other else ""


def _with_their_own(spec: Mapping[str, Any], key: str, shared: Any) -> list[str]:
    """The families whose space in the study file has another value of a setting of the training."""
    return [
        family.get("label") or family["family"].rpartition(":")[2]
        for family in spec["families"]
        if json.dumps((family.get("space") or {}).get(key, shared), sort_keys=True)
        != json.dumps(shared, sort_keys=True)
    ]


def _span(counts: Iterable[int]) -> str:
    ordered = sorted(counts)
    return f"{ordered[0]:,}" if ordered[0] == ordered[-1] else f"{ordered[0]:,} to {ordered[-1]:,}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
