"""A cell's full grid: what every config scored after every epoch, so that a search can be played without training.

`frozen/mnist-tce.json` is such a table, `frozen/mnist-tce.yaml` the study whose ledger it was taken from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.planning.agenda import SCREENING
from study.records import states
from study.records.ledger import Ledger
from study.spec.spaces import identity_of

FROZEN = Path(__file__).parent / "frozen"
TABLE, STUDY = FROZEN / "mnist-tce.json", FROZEN / "mnist-tce.yaml"
DIGITS = 5  # of a score, after the point

Params = dict[str, Any]


@dataclass(frozen=True)
class FrozenTable:
    """`scores[i][e - 1]` is what `configs[i]` had after epoch e by `monitor`, of which more is better."""

    monitor: str
    configs: list[Params]
    scores: list[list[float]]
    made: dict[str, Any]

    @property
    def epochs(self) -> int:
        """What the full grid costs."""
        return sum(map(len, self.scores))

    @property
    def best(self) -> float:
        """The best score of any config after any epoch."""
        return max(map(max, self.scores))

    def curves(self) -> dict[str, list[float]]:
        """The scores of each config by `identity_of` its params."""
        return {identity_of(params): scores for params, scores in zip(self.configs, self.scores, strict=True)}


def freeze(ledger: Ledger, monitor: str, made: dict[str, Any]) -> FrozenTable:
    """The table of a finished grid search with one cell; SystemExit where a trial of it did not complete."""
    params = {key: params for _, key, _, params in ledger.configs()}
    trials = [trial for trial in ledger.trials().values() if trial.repeat == SCREENING]
    if unfinished := [trial.state for trial in trials if trial.state != states.COMPLETED]:
        raise SystemExit(f"{ledger.path}: {len(unfinished)} trials did not complete, the first is {unfinished[0]}")
    scores = [[round(report[monitor], DIGITS) for _, report in ledger.reports(trial.key)] for trial in trials]
    return FrozenTable(monitor, [params[trial.config_key] for trial in trials], scores, made)


def write_table(path: Path, table: FrozenTable) -> None:
    """One config a line."""
    lines = [json.dumps({"params": p, "scores": s}) for p, s in zip(table.configs, table.scores, strict=True)]
    head = f'{{"made": {json.dumps(table.made)},\n"monitor": {json.dumps(table.monitor)},\n"configs": [\n'
    path.write_text(head + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


def read_table(path: Path = TABLE) -> FrozenTable:
    """What `write_table` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = content["configs"]
    return FrozenTable(
        content["monitor"], [row["params"] for row in rows], [row["scores"] for row in rows], content["made"]
    )
