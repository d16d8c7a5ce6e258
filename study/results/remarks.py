"""What losses and checkpoints warned of while trials ran, gathered from the ledger."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from study.records.ledger import Ledger

EPOCH = re.compile(r"^epoch \d+: ")
NUMBERS = re.compile(r"\d[\d.e+-]*")


@dataclass(frozen=True)
class Remark:
    """One warning of a family on a task: the sentence as it was first said, and the `trials` that gave it, by key.

    Sentences that differ in their numbers alone are one remark.
    """

    family: str
    task: str
    sentence: str
    trials: frozenset[str]

    def among(self, trials: Collection[str]) -> int:
        """How many of these trials gave it."""
        return len(self.trials & set(trials))


def remarks_of(ledger: Ledger) -> list[Remark]:
    """The warnings of all trials in scope, of both phases, in the order in which they were first given."""
    warnings = ledger.warnings()
    if not warnings:
        return []
    cells = dict(ledger.cells(phase=None))
    facts = {trial: cells[cell] for cell, trials in ledger.cell_trials(phase=None).items() for trial in trials}
    said: dict[tuple[str, str, str], str] = {}
    gave: dict[tuple[str, str, str], set[str]] = {}
    for trial, message in warnings:
        if trial in facts:
            cell, sentence = facts[trial], EPOCH.sub("", message)
            kind = (cell["label"], cell["task"], NUMBERS.sub("#", sentence))
            said.setdefault(kind, sentence)
            gave.setdefault(kind, set()).add(trial)
    return [Remark(kind[0], kind[1], sentence, frozenset(gave[kind])) for kind, sentence in said.items()]


def remark_text(remark: Remark, trials: Collection[str]) -> str:
    """A remark of the `trials` of one config: `simloss on digits, 2 of 3 trials warn: no two classes are ...`."""
    count = remark.among(trials)
    return f"{remark.family} on {remark.task}, {count} of {len(trials)} trials warn: {remark.sentence}"
