"""What changed since a study's trials ran: code that trains, and versions that may change a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.ledger import Ledger, is_begun


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
