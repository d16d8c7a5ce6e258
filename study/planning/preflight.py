"""What can be refused before anything is started or written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.planning.plan import Plan
from study.records.environment import num_gpus, usable_cpus
from study.records.ledger import Ledger
from study.records.ledger_file import is_begun
from study.spec import StudySpec, TrainingSpec, dataset_title

CPU_LANES, GPU_LANES = 16, 64  # with `lanes: auto`, at the most

# What may differ between two launches of one study: it adds trials or takes them away, or changes how they are run,
# never what a trial that ran would have come to.
EXTENDABLE = frozenset(
    {
        "description",
        "dataset",
        "noise",
        "model",
        "families",
        "search",
        "scheduler",
        "confirm",
        "resources",
        "tracking",
        "paper",
    }
)


def check_resources(spec: StudySpec) -> None:
    """StudyError where one trial asks for more than this machine has."""
    wanted = spec.resources
    if wanted.cpus > usable_cpus():
        raise StudyError(
            f"resources.cpus = {wanted.cpus:g}: a trial cannot have more than this machine's {usable_cpus()} cores; "
            f"--set resources.cpus={usable_cpus()}"
        )
    if wanted.gpus > num_gpus():
        raise StudyError(
            f"resources.gpus = {wanted.gpus:g}: this machine has {num_gpus()} GPUs; --set resources.gpus={num_gpus()}"
        )


def num_workers(spec: StudySpec) -> int:
    """How many processes train on this machine at a time."""
    wanted = spec.resources
    by_cpus = int(usable_cpus() / wanted.cpus)
    return max(1, min(by_cpus, int(num_gpus() / wanted.gpus)) if wanted.gpus else by_cpus)


def num_lanes(spec: StudySpec) -> int:
    """How many trials a process trains as one program, at the most."""
    wanted = spec.resources
    return (GPU_LANES if wanted.gpus else CPU_LANES) if wanted.lanes == "auto" else wanted.lanes


def memory_share(spec: StudySpec, processes: int) -> float:
    """The part of a device's free memory that one process may count on, with as many `processes` on its machine."""
    wanted = spec.resources
    return min(1.0, wanted.gpus) if wanted.gpus else 1 / processes


def places(spec: StudySpec) -> int:
    """How many trials are open in a process: beside its lanes some that wait for one, so that it is taken at once."""
    lanes = num_lanes(spec)
    return 1 if lanes == 1 else lanes + max(1, lanes // 4)


def check_against_ledger(plan: Plan, path: Path) -> None:
    """StudyError where the ledger at `path`, if there is one, belongs to another study of this name."""
    if not is_begun(path):
        return
    with Ledger(path) as ledger:
        before, tasks_before = ledger.spec(), {facts["task"] for _, facts in ledger.cells()}
        trained = any(trial.epoch for trial in ledger.trials().values())
    if before is not None and trained:  # a study of which nothing was trained yet may become another
        check_extends(plan.spec, before, {cell.task.title for cell in plan.cells}, tasks_before)


def check_extends(spec: StudySpec, before: dict[str, Any], tasks: set[str], tasks_before: set[str]) -> None:
    """StudyError where `spec` is another study than the one that was launched under its name."""
    now = spec.model_dump(mode="json")
    # A ledger of an earlier version lacks the settings that came later, which then had their defaults.
    before = before | {"training": TrainingSpec.model_validate(before["training"]).model_dump(mode="json")}
    for section in now:
        if section not in EXTENDABLE and now[section] != before.get(section):
            key, old, new = _first_difference(section, before.get(section), now[section])
            raise StudyError(
                f"study '{spec.name}' was launched with {key} = {old}, now it is {new}: that is another study; "
                f"give it another name, as in --set name={spec.name}-2, or undo the change"
            )
    holdouts = {dataset_title(dataset): dataset["holdout"] for dataset in before["dataset"]}
    for dataset in spec.dataset:
        if holdouts.get(dataset.title, dataset.holdout) != dataset.holdout:
            raise StudyError(
                f"study '{spec.name}' was launched with dataset.holdout = {holdouts[dataset.title]}, now it is "
                f"{dataset.holdout}: that is another study; give it another name, or undo the change"
            )
    if tasks_before and not tasks & tasks_before:
        raise StudyError(
            f"study '{spec.name}' was launched on {'; '.join(sorted(tasks_before))}, which this file no longer has: "
            "that is another study; give it another name"
        )


def _first_difference(key: str, old: Any, new: Any) -> tuple[str, Any, Any]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*new, *old]:
            if old.get(name) != new.get(name):
                return _first_difference(f"{key}.{name}", old.get(name), new.get(name))
    return key, old, new
