"""What changed since a study's trials ran: its code, its user's own, and versions that may change a number."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.planning.plan import Cell
from study.planning.to_come import known_configs, missing_trials
from study.records.ledger import Ledger
from study.records.ledger_file import is_begun
from study.records.ledger_reader import TrialRecord
from trainables.own import is_own, source_digest


def drift(path: Path, now: Mapping[str, Any]) -> list[str]:
    """A sentence for each change between the launches of the ledger at `path` and the environment `now`."""
    if not is_begun(path):
        return []
    with Ledger(path) as ledger:
        before = ledger.environments()
    changes: Counter[str] = Counter()
    for trials, environment in before:
        for change in _changes(environment, now):
            changes[change] += trials
    return [f"{change} since {_counted(trials)}" for change, trials in changes.items()]


def new_code(path: Path, cells: Iterable[Cell]) -> list[str]:
    """A sentence for each module of one's own whose other text makes trials of these cells new that ran before."""
    own = [cell for cell in cells if _modules(cell)]
    if not own or not is_begun(path):
        return []
    changed: Counter[str] = Counter()
    with Ledger(path) as ledger:
        records, configs = ledger.trials(), ledger.configs(all_scopes=True)
        for cell in own:
            modules = _modules(cell)
            of_cell = {config for key, config, _, _ in configs if key == cell.key}
            texts: dict[str, set[str]] = {}
            for trial in _trained(ledger, records, of_cell):
                for field in modules.keys() & trial.keys():
                    texts.setdefault(_without(trial, modules), set()).add(f"{field} {trial[field]}")
            for trial in _never_ran(cell, [params for key, _, _, params in configs if key == cell.key], records):
                before = texts.get(_without(trial, modules), set())
                other = [module for field, module in modules.items() if f"{field} {trial.get(field)}" not in before]
                changed.update(other if before else [])
    return [
        f"{module} has changed: its {'trial is' if trials == 1 else f'{trials} trials are'} new"
        for module, trials in changed.items()
    ]


def other_code(ledger: Ledger, cells: Iterable[Cell]) -> list[str]:
    """A sentence for each module of one's own that has another text now than when the search of these cells ran."""
    records, configs = ledger.trials(), ledger.configs()
    changed: Counter[str] = Counter()
    for cell in cells:
        of_cell, own = {config for key, config, _, _ in configs if key == cell.key}, _own(cell)
        texts = {field: source_digest(path) for field, path in own.items()}
        for trial in _trained(ledger, records, of_cell) if own else ():
            changed.update(_modules(cell)[field] for field, text in texts.items() if trial.get(field) != text)
    return [f"{module} has changed since {_counted(trials)}" for module, trials in changed.items()]


def _own(cell: Cell) -> dict[str, str]:
    """The import paths of what is one's own in a cell's trials, by the field of a trial that has the text's digest."""
    named = {"code": cell.family.family, "model_code": cell.task.model.name}
    return {field: path for field, path in named.items() if is_own(path)}


def _modules(cell: Cell) -> dict[str, str]:
    return {field: path.partition(":")[0] for field, path in _own(cell).items()}


def _without(trial: Mapping[str, Any], fields: Collection[str]) -> str:
    """A trial's description but for these fields."""
    return json.dumps({name: value for name, value in trial.items() if name not in fields}, sort_keys=True)


def _trained(
    ledger: Ledger, records: Mapping[str, TrialRecord], configs: Collection[str]
) -> Iterator[Mapping[str, Any]]:
    """The descriptions of the trials of these configs that have an epoch."""
    yield from (
        ledger.trial(record.key) for record in records.values() if record.epoch and record.config_key in configs
    )


def _never_ran(
    cell: Cell, before: list[dict[str, Any]], records: Mapping[str, TrialRecord]
) -> Iterator[Mapping[str, Any]]:
    """The descriptions of the trials of a cell that are to run and have no epoch; `before` are its configs' params."""
    for config in known_configs(cell, before):
        missing = {key for key, _ in missing_trials(config, cell.spec, records)}
        for repeat in range(cell.spec.search.repeats):
            key = config.trial_key(repeat)
            if key in missing and not (key in records and records[key].epoch):
                yield config.trial(repeat)


def refuse(study: str, changes: list[str]) -> None:
    """StudyError where anything changed."""
    if changes:
        raise StudyError(
            f"study '{study}' with --strict: {'; '.join(changes)}: its trials would not all be made alike; "
            "go back to those versions, give the study another name, or launch without --strict"
        )


def _counted(trials: int) -> str:
    return f"{trials} trial{'s' if trials > 1 else ''} of this study"


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    commits = [str(each.get("commit", "unknown"))[:12] for each in (before, now)]
    told = f" (commit {commits[0]}, now {commits[1]})" if commits[0] != commits[1] else ""
    known_by = "code" if "code" in before else "commit"  # ledgers of earlier versions have no other
    found = [f"the code that trains has changed{told}"] if before.get(known_by) != now[known_by] else []
    if before.get("planning_code", now["planning_code"]) != now["planning_code"]:  # nor this one
        found.append(f"the code that proposes and plans trials has changed{told}")
    versions = [{"Python": each.get("python"), **each.get("packages", {})} for each in (before, now)]
    for name, version in versions[1].items():
        was = versions[0].get(name)
        if was is not None and was != version:
            found.append(f"{name} has changed from {was} to {version}")
    return found
