"""What of a study is still to be done, which no score has."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from study.records import states
from study.records.ledger import CONFIRM, Ledger
from study.records.lock import is_held
from study.records.paths import StudyPaths
from study.results.confirmed import Confirmations
from trainables.trial import SEARCH


@dataclass(frozen=True)
class Unfinished:
    """A phase of a study that lacks trials: `missing` of the `trials` that are known of so far.

    `left` names the states of those that are missing, and `command` is what goes on with them; it is empty while a
    launch is at work on them.
    """

    study: str
    phase: str
    missing: int
    trials: int
    left: str
    command: str

    @property
    def sentence(self) -> str:
        """`The search of 'small' is unfinished: 44 of 52 trials are not done (43 waiting, 1 interrupted).`"""
        what = "search" if self.phase == SEARCH else "confirmation"
        now = "" if self.command else " It is running now."
        return (
            f"The {what} of '{self.study}' is unfinished: {self.missing:,} of {self.trials:,} trials are not done "
            f"({self.left}).{now}"
        )

    @property
    def advice(self) -> str:
        """The sentence, and what to run."""
        return f"{self.sentence} Go on with: {self.command}" if self.command else self.sentence


def unfinished_of(ledgers: Sequence[tuple[str, Ledger]], results: Sequence[Confirmations]) -> tuple[Unfinished, ...]:
    """The phases of these studies that lack trials, study by study."""
    return tuple(
        found for (name, ledger), each in zip(ledgers, results, strict=True) for found in _phases(name, ledger, each)
    )


def _phases(name: str, ledger: Ledger, results: Confirmations) -> Iterator[Unfinished]:
    paths = StudyPaths(ledger.path.parent)
    for phase, cells, command in (
        (SEARCH, results.searched, ["study", "launch", str(paths.study_file)]),
        (CONFIRM, results.cells, ["study", "confirm", name]),
    ):
        counts = sum((cell.counts for cell in cells), Counter[str]())
        left = {state: counts[state] for state in states.MISSING}
        if not sum(left.values()):
            continue
        running = is_held(paths.lock)
        if not running:  # what a dead launch left running
            left[states.INTERRUPTED] += left.pop(states.RUNNING)
        again = "" if running else shlex.join(command)
        yield Unfinished(name, phase, sum(left.values()), counts.total(), states.in_words(left), again)
