"""Checkpoints that lie in a study's storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.errors import StudyError
from study.records.paths import StudyPaths
from trainables.engine.checkpoint_copies import fetch_checkpoint
from trainables.storage import Storage


def storage_of(paths: StudyPaths) -> Storage | None:
    """Where the study was last launched to keep a copy, if anywhere; StudyError where the note of it is damaged."""
    try:
        return Storage(paths.storage.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return None
    except ValueError as problem:
        raise StudyError(f"{paths.storage}: {problem}; remove the file, or launch again with --storage URI") from None


def remember_storage(paths: StudyPaths, storage: Storage | None) -> None:
    """Let later commands find it; for the holder of the study's lock."""
    if storage is None:
        paths.storage.unlink(missing_ok=True)
    else:
        paths.storage.write_text(f"{storage.uri}\n", encoding="utf-8")


@contextmanager
def reached(storage: Storage) -> Iterator[None]:
    """Within it, that the storage cannot be used is said in a line."""
    try:
        yield
    except OSError as problem:
        raise StudyError(
            f"{storage.uri} cannot be used: {problem}; is the folder or bucket there, are AWS_ACCESS_KEY_ID and "
            "AWS_ENDPOINT_URL right?"
        ) from None


def checkpoint_storage(storage: Storage, study: str, trial_key: str) -> Storage:
    """The folder in a storage that holds the copy of a trial's checkpoint."""
    return storage.below(study, "checkpoints", trial_key)


def checkpoint_here(paths: StudyPaths, trial_key: str) -> Path:
    """The folder of a trial's checkpoint, brought level with its copy in the study's storage where there is one.

    OSError where that cannot be reached.
    """
    folder = paths.checkpoint(trial_key)
    if storage := storage_of(paths):
        fetch_checkpoint(checkpoint_storage(storage, paths.name, trial_key), folder)
    return folder
