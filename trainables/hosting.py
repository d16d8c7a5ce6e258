"""A Ray actor that holds the Trainables of many trials, so that their lanes train as one program in one process."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

from trainables.base import StudyTrainable


class TrainableHost:
    """Runs `StudyTrainable`s by number; a threaded actor, one thread for each that trains and some to answer.

    `lanes` and `found` are as `LaneHost` takes them. `marker` is a file that holds the key of a trial that trains alone
    for as long as it does: should the process die, that trial is to blame.
    """

    def __init__(self, lanes: int, found: bool, device: str, marker: str, import_from: list[str]) -> None:
        os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"  # the process is not one trial's
        sys.path.extend(folder for folder in import_from if folder not in sys.path)
        from trainables.engine.host import LaneHost

        self.trainables: dict[int, StudyTrainable] = {}
        StudyTrainable.host = LaneHost(lanes, found=found, device=device, marker=Path(marker))

    def open(self, number: int, kwargs: dict[str, Any]) -> None:
        """Make a Trainable."""
        self.trainables[number] = StudyTrainable(**kwargs)

    def call(self, number: int, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a method of a Trainable."""
        return getattr(self.trainables[number], method)(*args, **kwargs)

    def close(self, number: int) -> None:
        """Stop a Trainable; for one that could not be made nothing happens."""
        trainable = self.trainables.pop(number, None)
        if trainable is not None:
            trainable.stop()

    def ping(self) -> None:
        """Answer."""

    def live(self) -> None:
        """Never returns: whoever called it learns when the process dies."""
        threading.Event().wait()
