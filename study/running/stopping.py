"""Asking a study that runs elsewhere to stop, and waiting for it."""

from __future__ import annotations

import time

from study.errors import StudyError
from study.records.lock import is_held, is_launch, owner
from study.records.paths import StudyPaths

LOOK_EVERY_S = 0.2


def ask_to_stop(paths: StudyPaths) -> str:
    """Touch the stop file of a running study; who runs it. StudyError where it does not run, or cannot be asked."""
    running = owner(paths.lock)
    if not is_held(paths.lock):
        raise StudyError(f"study '{paths.name}' is not running; see 'study status {paths.name}'")
    if not is_launch(running):
        raise StudyError(f"study '{paths.name}' is held by {running}, which ends by itself; wait for it")
    try:
        paths.stop.touch()
    except OSError as problem:
        raise StudyError(f"{paths.stop}: cannot be written: {problem.strerror}; whose study is it?") from None
    return running


def wait_until_stopped(paths: StudyPaths, running: str, timeout_s: float) -> bool:
    """Whether who ran the study has let go of it within the time. Another launch that follows is not waited for."""
    deadline = time.monotonic() + timeout_s
    while _still(paths, running):
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _still(paths: StudyPaths, running: str) -> bool:
    return is_held(paths.lock) and owner(paths.lock) == running
