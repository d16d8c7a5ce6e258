"""From the ledger to tables: which config is best in each cell, and how the families compare."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from study import states
from study.ledger import Ledger, TrialRecord

TIMES = ("time", "seconds")  # in a report, and no result


@dataclass(frozen=True)
class ConfigResult:
    """One config and its completed repeats; `scores` are the selection metric, in the order of `trials`.

    `metrics` are the means of whatever else was reported at the same epochs of all its repeats, known for a cell's best
    config; unless the study says otherwise, selection never saw them.
    """

    number: int
    key: str
    params: dict[str, Any]
    trials: tuple[TrialRecord, ...]
    scores: tuple[float, ...]
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many repeats were completed."""
        return len(self.scores)

    @property
    def mean(self) -> float:
        """Mean over repeats."""
        return statistics.fmean(self.scores)

    @property
    def sd(self) -> float | None:
        """Standard deviation over repeats (n - 1); None for a single one."""
        return statistics.stdev(self.scores) if self.n > 1 else None


@dataclass(frozen=True)
class CellResult:
    """One family on one task. `best` is None while no config has a completed repeat."""

    key: str
    facts: dict[str, Any]
    configs: tuple[ConfigResult, ...]
    best: ConfigResult | None
    counts: Counter[str] = field(default_factory=Counter)
    epochs: int = 0
    seconds: float = 0.0

    @property
    def ended(self) -> int:
        """How many of its trials have ended, in whatever way."""
        return sum(self.counts[state] for state in states.ENDED)


def cell_results(ledger: Ledger, *, all_scopes: bool = False) -> list[CellResult]:
    """Every cell in scope, or every one there ever was, in the study file's order."""
    spec = ledger.spec()
    if spec is None:  # a launch that died before its first trial
        return []
    select, repeats = spec["select"], spec["search"]["repeats"]
    by_config: dict[str, list[TrialRecord]] = {}
    for trial in ledger.trials().values():
        if trial.repeat < repeats:
            by_config.setdefault(trial.config_key, []).append(trial)
    configs: dict[str, list[tuple[str, int, dict[str, Any]]]] = {}
    for cell, key, number, params in ledger.configs(all_scopes=all_scopes):
        configs.setdefault(cell, []).append((key, number, params))
    results = []
    for cell_key, facts in ledger.cells(all_scopes=all_scopes):
        members = [
            _config_result(number, key, params, by_config.get(key, []), select["epoch"])
            for key, number, params in configs.get(cell_key, [])
        ]
        trials = [trial for key, _, _ in configs.get(cell_key, []) for trial in by_config.get(key, [])]
        best = _with_metrics(ledger, _best(members, facts["mode"]), select["epoch"])
        counts = Counter(trial.state for trial in trials)
        epochs, seconds = sum(trial.epoch for trial in trials), sum(trial.seconds for trial in trials)
        results.append(CellResult(cell_key, facts, tuple(members), best, counts, epochs, seconds))
    return results


def _config_result(
    number: int, key: str, params: dict[str, Any], trials: list[TrialRecord], epoch: str
) -> ConfigResult:
    scored = []
    for trial in sorted(trials, key=lambda trial: trial.repeat):
        score = trial.best_score if epoch == "best" else trial.last_score
        if trial.state == states.COMPLETED and score is not None:
            scored.append((trial, score))
    return ConfigResult(number, key, params, tuple(t for t, _ in scored), tuple(s for _, s in scored))


def _best(configs: list[ConfigResult], mode: str) -> ConfigResult | None:
    """The best mean among the configs with the most completed repeats: a lucky single run does not win."""
    most = max((config.n for config in configs), default=0)
    if most == 0:
        return None
    sign = 1 if mode == "max" else -1
    return max(
        (config for config in configs if config.n == most),
        key=lambda config: (sign * config.mean, -config.number),
    )


def _with_metrics(ledger: Ledger, best: ConfigResult | None, epoch: str) -> ConfigResult | None:
    if best is None:
        return None
    reports = [ledger.report(t.key, t.best_epoch if epoch == "best" else t.epoch) for t in best.trials]
    shared = [name for name in reports[0] if name not in TIMES and all(r.get(name) is not None for r in reports)]
    means = {name: statistics.fmean(report[name] for report in reports) for name in shared}
    return replace(best, metrics=means)


def out_of_scope(ledger: Ledger) -> int:
    """How many trials that ran the study file no longer asks for: kept, and left out of every table."""
    spec = ledger.spec()
    if spec is None:
        return 0
    wanted = {key for _, key, _, _ in ledger.configs()}
    return sum(
        trial.state != states.WAITING and (trial.config_key not in wanted or trial.repeat >= spec["search"]["repeats"])
        for trial in ledger.trials().values()
    )


def comparison(results: list[CellResult]) -> list[dict[str, Any]]:
    """One row per cell: family, task, mean, sd and n of its best config, its metrics, and how many trials ended how."""
    rows = []
    for cell in results:
        best = cell.best
        rows.append(
            {
                "family": cell.facts["label"],
                "dataset": cell.facts["dataset"],
                "model": cell.facts["model"],
                "noise": cell.facts["noise"],
                "noise_rate": cell.facts["noise_rate"],
                "mean": best.mean if best else None,
                "sd": best.sd if best else None,
                "n": best.n if best else 0,
                "val_accuracy_clean": best.metrics.get("val_accuracy_clean") if best else None,
                "metrics": best.metrics if best else {},
                "params": best.params if best else None,
                "searched": cell.facts.get("searched", []),
                "states": dict(cell.counts),
                "epochs": cell.epochs,
                "seconds": cell.seconds,
            }
        )
    return rows


def format_score(mean: float | None, sd: float | None, n: int) -> str:
    """`0.947 ± 0.012 (n 3)`; no spread is given for a single repeat."""
    if mean is None or not math.isfinite(mean):
        return "—"
    return f"{mean:.4f} ± {sd:.4f} (n {n})" if sd is not None else f"{mean:.4f} (n {n})"
