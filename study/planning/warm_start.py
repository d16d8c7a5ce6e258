"""What proposers learn from another study before their first config."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from study.errors import StudyError
from study.planning.plan import Cell
from study.records import states
from study.records.ledger import Ledger
from study.records.ledger_file import is_begun
from study.records.paths import Home
from study.results.selection import CellResult, cell_results
from study.search import Params, Proposer
from study.spec import StudySpec


def check_warm_start(spec: StudySpec, home: Home) -> None:
    """StudyError where the study to learn from is not here, is this one, or was judged by something else."""
    name = spec.search.warm_start
    if name is None:
        return
    if name == spec.name:
        raise StudyError(f"search.warm_start = {name}: a study goes on from its own results anyway; leave it out")
    _results(home.existing(name).ledger, name, spec)


def learn_from(name: str, ledger: Path, spec: StudySpec, cells: list[tuple[Cell, Proposer]]) -> list[str]:
    """Tell proposers the results of the study `name` at `ledger`; in a sentence each, of how many.

    A cell learns from the same family on the same task where the other study has that, else under the same noise: data
    set and network may differ. A config is entered where the cell's space holds it, once; one that was stopped early
    as such, with the epoch that it reached.
    """
    others = _results(ledger, name, spec)
    said = []
    for cell, proposer in cells:
        alike = _alike(cell, others)
        lessons = [lesson for other in alike for lesson in _lessons(other, spec)]
        held = [
            lesson
            for lesson in lessons
            if proposer.learn(lesson.params, spec.select.sign * lesson.score, name, stopped_at=lesson.stopped_at)
        ]
        count = sum(len(other.configs) for other in alike)
        stopped = sum(lesson.stopped_at is not None for lesson in held)
        early = f", {stopped} of them stopped early" if stopped else ""
        said.append(
            f"{cell.name} on {cell.task.title}: learnt from {len(held)} of {count} configs of study '{name}'{early}"
        )
    return said


@dataclass(frozen=True)
class _Lesson:
    """How a config did in the other study, stopped early at an epoch or not."""

    params: Params
    score: float
    stopped_at: int | None = None


def _lessons(other: CellResult, spec: StudySpec) -> Iterator[_Lesson]:
    stopped = {trial.config_key: trial for trial in other.trials if trial.state == states.STOPPED_EARLY}
    for config in other.configs:
        trial = stopped.get(config.key)
        if config.n:
            yield _Lesson(config.params, config.mean)
        elif trial is not None:
            score = trial.best_score if spec.select.epoch == "best" else trial.last_score
            if score is not None:
                yield _Lesson(config.params, score, trial.epoch)


def _alike(cell: Cell, others: list[CellResult]) -> list[CellResult]:
    same = [other for other in others if other.facts["family"] == cell.family.family]
    on_task = [other for other in same if other.facts["task"] == cell.task.title]
    return on_task or [other for other in same if other.facts["noise"] == cell.task.noise.name]


def _results(path: Path, name: str, spec: StudySpec) -> list[CellResult]:
    if not is_begun(path):
        raise StudyError(f"search.warm_start = {name}: that study has no results yet")
    with Ledger(path) as ledger:
        select = (ledger.spec() or {}).get("select")
        if select != spec.select.model_dump(mode="json"):
            raise StudyError(f"search.warm_start = {name}: that study selects by {select}, this one by another rule")
        return cell_results(ledger)
