"""From the ledger to tables: which config is best in each cell, and how the families compare."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from study.records import states
from study.records.ledger import CONFIRM, Ledger
from study.records.ledger_reader import TrialRecord
from trainables.trial import SEARCH

TIMES = ("time", "seconds")  # in a report, and no result
LARGEST = 1e150  # score: of larger ones no variance has a float


@dataclass(frozen=True)
class ConfigResult:
    """One config and its completed repeats; `scores` are the selection metric, in the order of `trials`.

    `metrics` are the means of whatever else was reported at the same epochs of all its repeats, known for a cell's best
    config; unless the study says otherwise, selection never saw them. Of its other repeats, `diverged` have no finite
    loss or score.
    """

    number: int
    key: str
    params: dict[str, Any]
    trials: tuple[TrialRecord, ...]
    scores: tuple[float, ...]
    metrics: dict[str, float] = field(default_factory=dict)
    diverged: int = 0

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
    """One family on one task, with all its `trials`. `best` is None while no config has a completed repeat.

    `scoreless` are the keys of completed trials whose score is not a finite number, or beyond 1e150: `counts` has
    them as diverged.
    """

    key: str
    facts: dict[str, Any]
    configs: tuple[ConfigResult, ...]
    best: ConfigResult | None
    counts: Counter[str] = field(default_factory=Counter)
    scoreless: frozenset[str] = frozenset()
    epochs: int = 0
    seconds: float = 0.0
    trials: tuple[TrialRecord, ...] = ()

    @property
    def ended(self) -> int:
        """How many of its trials have ended, in whatever way."""
        return sum(self.counts[state] for state in states.ENDED)


def cell_results(ledger: Ledger, *, phase: str | None = SEARCH, all_scopes: bool = False) -> list[CellResult]:
    """Every cell of a phase in scope, or every one there ever was, in the study file's order; None is every phase.

    A config is scored by the study's selection metric: on validation images in the search, on test images after it.
    """
    spec = ledger.spec()
    if spec is None:  # a launch that died before its first trial
        return []
    cells = ledger.cells(phase=phase, all_scopes=all_scopes)
    if not cells:
        return []
    select = spec["select"]
    by_config: dict[str, list[TrialRecord]] = {}
    for trial in ledger.trials().values():
        by_config.setdefault(trial.config_key, []).append(trial)
    configs: dict[str, list[tuple[str, int, dict[str, Any]]]] = {}
    for cell, key, number, params in ledger.configs(phase=phase, all_scopes=all_scopes):
        configs.setdefault(cell, []).append((key, number, params))
    results = []
    for cell_key, facts in cells:
        repeats = facts.get("repeats", spec["search"]["repeats"])
        score = _tested(select) if facts.get("phase") == CONFIRM else _validated(select)
        members, trials = [], []
        for key, number, params in configs.get(cell_key, []):
            own = [trial for trial in by_config.get(key, []) if trial.repeat < repeats]
            trials += own
            members.append(_config_result(number, key, params, own, score))
        best = _best(members, facts)
        if best is not None:
            best = _with_metrics(ledger, best, facts, select["epoch"])
        scoreless = frozenset(t.key for t in trials if t.state == states.COMPLETED and score(t) is None)
        counts = Counter(states.DIVERGED if trial.key in scoreless else trial.state for trial in trials)
        epochs, seconds = sum(trial.epoch for trial in trials), sum(trial.seconds for trial in trials)
        results.append(
            CellResult(cell_key, facts, tuple(members), best, counts, scoreless, epochs, seconds, tuple(trials))
        )
    return results


Score = Callable[[TrialRecord], float | None]


def _validated(select: Mapping[str, Any]) -> Score:
    return lambda trial: _finite(trial.best_score if select["epoch"] == "best" else trial.last_score)


def _tested(select: Mapping[str, Any]) -> Score:
    metric = select["metric"].replace("val_", "test_", 1)
    return lambda trial: _finite(trial.facts.get("test", {}).get(metric))


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) <= LARGEST else None  # which is not so of NaN either


def _config_result(
    number: int, key: str, params: dict[str, Any], trials: list[TrialRecord], score: Score
) -> ConfigResult:
    scored = [
        (trial, value)
        for trial in sorted(trials, key=lambda trial: trial.repeat)
        if trial.state == states.COMPLETED and (value := score(trial)) is not None
    ]
    lost = sum(t.state == states.DIVERGED or (t.state == states.COMPLETED and score(t) is None) for t in trials)
    return ConfigResult(number, key, params, tuple(t for t, _ in scored), tuple(s for _, s in scored), diverged=lost)


def ranked(cell: CellResult) -> list[ConfigResult]:
    """The configs with the most completed repeats, best mean first: a lucky single run does not win."""
    return _ranked(cell.configs, cell.facts["mode"])


def why_fewer(cell: CellResult, wanted: int) -> str | None:
    """Why a cell has fewer than the `wanted` configs that `ranked` gives; None where it has them.

    `a scheduler stopped the others`.
    """
    found = len(ranked(cell))
    if found >= wanted:
        return None
    others = len(cell.configs) - found
    if not others:
        return "the search has no other config"
    stopped = cell.counts[states.STOPPED_EARLY]  # of a config only the first repeat is ever stopped
    if stopped >= others:
        return "a scheduler stopped the others"
    fewer = "no other config has as many repeats"
    return f"a scheduler stopped {stopped} of the {others} others, and {fewer}" if stopped else fewer


def _ranked(configs: Sequence[ConfigResult], mode: str) -> list[ConfigResult]:
    most = max((config.n for config in configs), default=0)
    sign = 1 if mode == "max" else -1
    complete = [config for config in configs if config.n == most and most]
    return sorted(complete, key=lambda config: (-sign * config.mean, config.number))


def _best(configs: Sequence[ConfigResult], facts: Mapping[str, Any]) -> ConfigResult | None:
    """The best by its scores in a search; in a confirmation the one that the search put first, whatever its scores."""
    if facts.get("chosen"):
        return next((config for config in configs if config.number == facts["chosen"][0] and config.n), None)
    return next(iter(_ranked(configs, facts["mode"])), None)


def _with_metrics(ledger: Ledger, best: ConfigResult, facts: Mapping[str, Any], epoch: str) -> ConfigResult:
    if facts.get("phase") == CONFIRM:
        reports = [trial.facts["test"] for trial in best.trials]
    else:
        reports = [ledger.report(t.key, t.best_epoch if epoch == "best" else t.epoch) for t in best.trials]
    shared = [name for name in reports[0] if name not in TIMES and all(r.get(name) is not None for r in reports)]
    means = {name: statistics.fmean(report[name] for report in reports) for name in shared}
    return replace(best, metrics=means)


def nothing_completed(study: str, cells: Sequence[CellResult], purpose: str) -> str:
    """What is said of a study without a completed trial: `... to report (6 diverged); see 'study status small'`."""
    said = states.in_words(sum((cell.counts for cell in cells), Counter()))
    return f"study '{study}' has no completed trial {purpose} ({said or 'none ran'}); see 'study status {study}'"


def out_of_scope(ledger: Ledger) -> int:
    """How many trials that ran the study file no longer asks for: kept, and left out of every table."""
    spec = ledger.spec()
    if spec is None:
        return 0
    repeats = {key: facts.get("repeats", spec["search"]["repeats"]) for key, facts in ledger.cells(phase=None)}
    wanted: dict[str, int] = {}
    for cell, key, _, _ in ledger.configs(phase=None):
        wanted[key] = max(wanted.get(key, 0), repeats.get(cell, 0))
    return sum(
        trial.state != states.WAITING and trial.repeat >= wanted.get(trial.config_key, 0)
        for trial in ledger.trials().values()
    )


def comparison(results: Sequence[CellResult]) -> list[dict[str, Any]]:
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
                "noise_digests": {t.repeat: t.facts.get("noise_digest") for t in best.trials} if best else {},
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


def differing_labels(rows: list[dict[str, Any]]) -> list[str]:
    """The tasks of a `comparison` whose families were trained on different noisy labels in the same repeat."""
    seen: dict[tuple[str, int], set[str]] = {}
    for row in rows:
        for repeat, digest in row["noise_digests"].items():
            task = f"{row['dataset']}, {row['noise']}, {row['model']}"
            seen.setdefault((task, repeat), set()).update([digest] if digest else [])
    return list(dict.fromkeys(task for (task, _), digests in seen.items() if len(digests) > 1))
