"""What proposers learn from another study before their first config."""

from __future__ import annotations

from pathlib import Path

from study.errors import StudyError
from study.planning.plan import Cell
from study.records.ledger import Ledger
from study.records.ledger_file import is_begun
from study.records.paths import Home
from study.results.selection import CellResult, cell_results
from study.search import Proposer
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
    set and network may differ. A config is entered where the cell's space holds it, once.
    """
    others = _results(ledger, name, spec)
    said = []
    for cell, proposer in cells:
        scored = [config for other in _alike(cell, others) for config in other.configs if config.n]
        held = sum(proposer.learn(config.params, spec.select.sign * config.mean, name) for config in scored)
        said.append(f"{cell.name} on {cell.task.title}: learnt from {held} of {len(scored)} configs of study '{name}'")
    return said


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
