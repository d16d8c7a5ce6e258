"""Which confirmations still count: those of the config that the search would choose now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from study.records.keys import counts
from study.records.ledger import CONFIRM, Ledger
from study.results.selection import CellResult, ConfigResult, cell_results
from trainables.trial import Trial

VARIED = ("seeds", "split", "confirm", "monitor")  # in the trials of one config in two phases
OUTDATED = "confirmed before the search came to choose another config or training"


@dataclass(frozen=True)
class Confirmations:
    """The cells of a search, and those of its confirmation whose published config the search still puts first.

    The others are `outdated`. `left_out` says of each of them, and of what the search alone has, why and what to do; it
    is empty where nothing was confirmed.
    """

    searched: tuple[CellResult, ...]
    cells: tuple[CellResult, ...]
    outdated: tuple[CellResult, ...]
    left_out: tuple[str, ...]


def confirmations(ledger: Ledger, study: str) -> Confirmations:
    """What of a study's confirmation counts now that its search may have gone on; `study` is its name, for advice."""
    searched, confirmed = tuple(cell_results(ledger)), cell_results(ledger, phase=CONFIRM)
    by_key = {cell.key: cell for cell in searched}
    why = {cell.key: _why_outdated(ledger, cell, by_key.get(cell.facts["search_cell"]), study) for cell in confirmed}
    known = {cell.facts["search_cell"] for cell in confirmed}
    new = [cell for cell in searched if known and cell.best and cell.key not in known]
    return Confirmations(
        searched,
        tuple(cell for cell in confirmed if not why[cell.key]),
        tuple(cell for cell in confirmed if why[cell.key]),
        (
            *(f"{_title(cell)}: {why[cell.key]}" for cell in confirmed if why[cell.key]),
            *(f"{_title(cell)}: not confirmed; run 'study confirm {study}' again" for cell in new),
        ),
    )


def outdated_keys(ledger: Ledger) -> dict[str, bool]:
    """Of all that was ever confirmed whether its scores have been outrun, by the keys of cells and of trials.

    Trials of a cell that counts are outdated where the last `study confirm` asked for them no more.
    """
    ever = ledger.cells(phase=CONFIRM, all_scopes=True)
    if not ever:
        return {}
    counted = {cell.key: cell for cell in confirmations(ledger, "").cells}
    asked_for = {trial.key for cell in counted.values() for trial in cell.trials}
    configs = {key for _, key, _, _ in ledger.configs(phase=CONFIRM, all_scopes=True)}
    trials = [trial for trial in ledger.trials().values() if trial.config_key in configs]
    return {key: key not in counted for key, _ in ever} | {trial.key: trial.key not in asked_for for trial in trials}


def confirmed_config(
    ledger: Ledger, confirmed: Sequence[CellResult], cell: CellResult, config: ConfigResult
) -> tuple[CellResult, ConfigResult] | None:
    """What became of a searched config in the confirmation, and in which cell of it; None where it has no score there.

    A config counts as confirmed where its trials there differ in seeds and split alone, wherever the data lay.
    """
    for found in confirmed:
        for winner in found.configs if found.facts["search_cell"] == cell.key else ():
            if winner.n and _are_one(ledger, winner, config):
                return found, winner
    return None


def _why_outdated(ledger: Ledger, cell: CellResult, search: CellResult | None, study: str) -> str:
    """Empty where the search still chooses the config whose scores a confirmed cell publishes."""
    if search is None:
        return "confirmed, but the study as last launched has it no more; launch it with it again to have its scores"
    again = f"run 'study confirm {study}' again"
    if search.best is None:
        return f"confirmed, but the search as last launched has no completed trial of it; launch it, then {again}"
    if cell.best is None:  # nothing to publish, and no trial yet to look at
        return "" if cell.facts["chosen"][0] == search.best.number else f"{OUTDATED}; {again}"
    same = _are_one(ledger, cell.best, search.best)
    return "" if same else f"{OUTDATED}; {again}"


def _title(cell: CellResult) -> str:
    return f"{cell.facts['label']} on {cell.facts['task']}"


def _are_one(ledger: Ledger, winner: ConfigResult, config: ConfigResult) -> bool:
    return _same(ledger.trial(winner.trials[0].key), ledger.trial(config.trials[0].key))


def _same(one: Trial, other: Trial) -> bool:
    return _gist(one) == _gist(other)


def _gist(trial: Trial) -> dict[str, Any]:
    """What determines a trial's numbers but for what a confirmation varies; where files lie is no part of it."""
    found = counts(trial | {"training": trial["training"] | {"patience": None}})
    noise = {name: value for name, value in found["noise"].items() if name != "seed"}
    return {name: value for name, value in found.items() if name not in VARIED} | {"noise": noise}
