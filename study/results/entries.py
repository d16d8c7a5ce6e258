"""What is compared: each family's best config on each task, of one study or of several."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from study.records import states
from study.records.ledger import Ledger
from study.records.ledger_reader import TrialRecord
from study.results.confirmed import Confirmations
from study.results.selection import CellResult
from trainables.trial import SEARCH


@dataclass(frozen=True)
class Entry:
    """One family on one task: the scores of its best config by repeat, and what they cost.

    `family` is unique on its task: `a/ce` where the studies a and b both have `name` ce there. `hashes` say for each
    trial what its numbers are of: `images`, `split`, `noise`, `seeds` (of weights, order and augmentation) and, of a
    confirmation by `protocol`, `test set`. Of `counts`, as many as `scoreless` came to their end without a finite
    score, and are among the diverged.
    """

    family: str
    task: str
    study: str
    name: str
    params: dict[str, Any] = field(default_factory=dict)
    searched: tuple[str, ...] = ()
    trials: tuple[TrialRecord, ...] = ()
    scores: tuple[float, ...] = ()
    hashes: tuple[dict[str, str | None], ...] = ()
    protocol: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    scoreless: int = 0
    epochs: int = 0
    seconds: float = 0.0

    @property
    def mean(self) -> float | None:
        """Mean over repeats."""
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def sd(self) -> float | None:
        """Standard deviation over repeats (n - 1)."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None

    @property
    def divergence_rate(self) -> float | None:
        """The share of its ended trials whose loss or score stopped being a number."""
        ended = sum(self.counts[state] for state in states.ENDED)
        return self.counts[states.DIVERGED] / ended if ended else None


def entries_of(ledgers: Sequence[tuple[str, Ledger]], results: Sequence[Confirmations], phase: str) -> list[Entry]:
    """The entries of a phase, study by study, each in the study file's order; of a confirmation those that count."""
    compared = [each.searched if phase == SEARCH else each.cells for each in results]
    ambiguous = _ambiguous(compared)
    found: list[Entry] = []
    for (study, ledger), each, cells in zip(ledgers, results, compared, strict=True):
        searched = {cell.key: cell for cell in each.searched}
        for cell in cells:
            name = cell.facts["label"]
            label = f"{study}/{name}" if name in ambiguous else name
            found.append(_entry(ledger, study, label, cell, searched.get(cell.facts.get("search_cell", ""))))
    return found


def _ambiguous(compared: Sequence[Sequence[CellResult]]) -> set[str]:
    """The families that several studies have, where any of these meet on a task; on their other tasks too."""

    def of_several(found: Iterator[set[Any]]) -> set[Any]:
        return {each for each, count in Counter(each for ones in found for each in ones).items() if count > 1}

    if not of_several({(cell.facts["label"], cell.facts["task"]) for cell in cells} for cells in compared):
        return set()
    return of_several({cell.facts["label"] for cell in cells} for cells in compared)


def _entry(ledger: Ledger, study: str, label: str, cell: CellResult, search: CellResult | None) -> Entry:
    """The cell's best config; what it cost includes the search that found it."""
    best, parts = cell.best, [cell, *([search] if search else [])]
    return Entry(
        label,
        cell.facts["task"],
        study,
        cell.facts["label"],
        best.params if best else {},
        tuple(cell.facts.get("searched", ())),
        best.trials if best else (),
        best.scores if best else (),
        tuple(_hashes(ledger, trial) for trial in best.trials) if best else (),
        cell.facts.get("protocol", ""),
        sum((part.counts for part in parts), Counter()),
        sum(len(part.scoreless) for part in parts),
        sum(part.epochs for part in parts),
        sum(part.seconds for part in parts),
    )


def _hashes(ledger: Ledger, trial: TrialRecord) -> dict[str, str | None]:
    described, facts = ledger.trial(trial.key), trial.facts
    found = {
        "images": described["dataset"].get("digest"),
        "split": facts.get("split_digest"),
        "noise": facts.get("noise_digest"),
        "seeds": "-".join(str(seed) for seed in described["seeds"].values()),
    }
    return found | ({"test set": facts.get("test_digest")} if "confirm" in described else {})
