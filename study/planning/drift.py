"""What changed since a study's trials ran: code that trains, and versions that may change a number."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.records.ledger import Ledger
from study.records.ledger_file import is_begun
from trainables.own import is_own

if TYPE_CHECKING:
    from study.planning.plan import Cell, Config


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
    return [
        f"{change} since {trials} trial{'s' if trials > 1 else ''} of this study" for change, trials in changes.items()
    ]


def new_code(
    ledger: Ledger, cells: Iterable[Cell], configs: Mapping[str, list[Config]], missing: Collection[str]
) -> list[str]:
    """A sentence for each module of one's own whose other text makes trials new that ran before.

    `configs` are those of each cell by its key, `missing` the keys of trials that never ran.
    """
    ran: dict[str, set[str]] = {}
    keys_of = [(cell, config) for cell, config, _, _ in ledger.configs(all_scopes=True)]
    trained = [trial for trial in ledger.trials().values() if trial.epoch]
    changed: Counter[str] = Counter()
    for cell in cells:
        modules = {
            field: name.partition(":")[0]
            for field, name in (("code", cell.family.family), ("model_code", cell.task.model.name))
            if is_own(name)
        }
        own = {config for key, config in keys_of if key == cell.key and modules}
        for trial in (ledger.trial(each.key) for each in trained if each.config_key in own):
            for field in modules.keys() & trial.keys():
                ran.setdefault(_without(trial, modules), set()).add(f"{field} {trial[field]}")
        for config in configs[cell.key] if own else []:
            for repeat in range(cell.spec.search.repeats):
                if config.trial_key(repeat) in missing:
                    trial = config.trial(repeat)
                    before = ran.get(_without(trial, modules), set())
                    other = [module for field, module in modules.items() if f"{field} {trial.get(field)}" not in before]
                    changed.update(other if before else [])
    return [
        f"{module} has changed: its {'trial is' if trials == 1 else f'{trials} trials are'} new"
        for module, trials in changed.items()
    ]


def _without(trial: Mapping[str, Any], fields: Collection[str]) -> str:
    """A trial's description but for these fields."""
    return json.dumps({name: value for name, value in trial.items() if name not in fields}, sort_keys=True)


def refuse(study: str, changes: list[str]) -> None:
    """StudyError where anything changed."""
    if changes:
        raise StudyError(
            f"study '{study}' with --strict: {'; '.join(changes)}: its trials would not all be made alike; "
            "go back to those versions, give the study another name, or launch without --strict"
        )


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    found = []
    known_by = "code" if "code" in before else "commit"  # ledgers of earlier versions have no other
    if before.get(known_by) != now[known_by]:
        commits = [str(each.get("commit", "unknown"))[:12] for each in (before, now)]
        told = f" (commit {commits[0]}, now {commits[1]})" if commits[0] != commits[1] else ""
        found.append(f"the code that trains has changed{told}")
    versions = [{"Python": each.get("python"), **each.get("packages", {})} for each in (before, now)]
    for name, version in versions[1].items():
        was = versions[0].get(name)
        if was is not None and was != version:
            found.append(f"{name} has changed from {was} to {version}")
    return found
