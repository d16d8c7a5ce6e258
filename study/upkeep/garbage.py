"""Checkpoints that nothing needs any more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from study.errors import StudyError
from study.export import read_export
from study.records import states
from study.records.ledger import CONFIRM, Ledger
from study.records.paths import StudyPaths
from study.results.numbers import counted
from study.results.selection import cell_results
from study.storage.checkpoints import checkpoint_storage, reached, storage_of
from study.storage.owner import Ownership
from trainables.storage import Storage

Keep = Literal["best", "none", "all"]


@dataclass(frozen=True)
class Freed:
    """Checkpoint folders that are, or would be, removed, and how much they and all others take, in bytes.

    `copies` are the folders that go from the study's storage, where it has one.
    """

    folders: list[Path]
    freed_bytes: int
    kept: int
    kept_bytes: int
    copies: tuple[Storage, ...] = ()


def find_garbage(paths: StudyPaths, ledger: Ledger, keep: Keep = "best") -> Freed:
    """What the rule `keep` has no need of.

    Unfinished trials go on from their checkpoints: these are kept by every rule. `best` keeps those of each cell's best
    config too, of the configs in the study's own `best` folder and of the confirmation; `none` no others; `all` those
    of all trials. A folder of a trial that the ledger does not know is needed by none.
    """
    trials = ledger.trials()
    needed = {trial.key for trial in trials.values() if trial.state in states.MISSING}
    if keep == "all":
        needed = set(trials)
    elif keep == "best":
        needed |= _of_best(ledger) | _exported(paths) | _confirmed(ledger)
    folders, sizes = [], {"freed": 0, "kept": 0}
    kept = 0
    for folder in _checkpoints(paths):
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        if folder.name in needed:
            kept += 1
            sizes["kept"] += size
        else:
            folders.append(folder)
            sizes["freed"] += size
    return Freed(folders, sizes["freed"], kept, sizes["kept"], tuple(_copies(paths, needed)))


def free(found: Freed, ledger: Ledger) -> None:
    """Remove what was found; for the holder of the study's lock. StudyError where a folder cannot be removed."""
    for copy in found.copies:
        with reached(copy):
            copy.remove_all()
    for folder in found.folders:
        try:
            shutil.rmtree(folder)
        except OSError as problem:
            raise StudyError(f"{folder}: cannot be removed: {problem.strerror}; whose is it?") from None
    if found.folders:
        ledger.record_event("freed", f"{counted(len(found.folders), 'checkpoint')}, {found.freed_bytes / 1e6:.1f} MB")


def _checkpoints(paths: StudyPaths) -> Iterator[Path]:
    root = paths.checkpoint("any").parent
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if folder.is_dir() and not folder.is_symlink():
            yield folder


def _copies(paths: StudyPaths, needed: set[str]) -> Iterator[Storage]:
    """What of the study's storage is not needed. StudyError where another head is writing there."""
    storage = storage_of(paths)
    if storage is None:
        return
    with reached(storage):
        Ownership(paths, storage.below(paths.name)).check_free()
        keys = storage.below(paths.name, "checkpoints").folders()
    yield from (checkpoint_storage(storage, paths.name, key) for key in keys if key not in needed)


def _of_best(ledger: Ledger) -> set[str]:
    return {trial.key for cell in cell_results(ledger) if cell.best for trial in cell.best.trials}


def _confirmed(ledger: Ledger) -> set[str]:
    """The trials of the confirmation, and those of the searched configs that it judged."""
    cells = cell_results(ledger, phase=CONFIRM)
    judged = {(cell.facts["search_cell"], str(config.params)) for cell in cells for config in cell.configs}
    searched = {
        trial.key
        for cell in cell_results(ledger)
        for config in cell.configs
        if (cell.key, str(config.params)) in judged
        for trial in config.trials
    }
    return searched | {trial.key for cell in cells for config in cell.configs for trial in config.trials}


def _exported(paths: StudyPaths) -> set[str]:
    found = set()
    for file in [*paths.best.glob("*.yaml"), *paths.best.glob("*.json")]:
        try:
            found.add(str(read_export(file)["provenance"]["trial_key"]))
        except (StudyError, KeyError):  # somebody's own file
            continue
    return found
