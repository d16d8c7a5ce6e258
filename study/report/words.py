"""Numbers and metrics in words, the same in every part of a report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from study.tracking.words import setting_text
from trainables.metrics.catalogue import LABELS

NAMES = {
    "accuracy": "accuracy",
    "loss": "NLL",
    "top5": "top-5 accuracy",
    "macro_f1": "macro F1",
    "brier": "Brier score",
    "ece": "ECE",
    "ece_scaled": "ECE after temperature scaling",
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "superclass_accuracy": "superclass accuracy",
}
SHARES = {"accuracy", "top5", "macro_f1", "ece", "ece_scaled", "superclass_accuracy", "memorised", "still_true"}
SETS = {"val": "validation", "test": "test", "train": "training"}
OWN_LOSS = "train_loss"  # the family's own, which may have any sign
NOTHING = "–"


def metric_words(metric: str) -> str:
    """`test accuracy`, `validation accuracy (noisy labels)`."""
    split, name, labels = _parts_of(metric)
    if metric == OWN_LOSS:
        return "training loss"
    said = f"{SETS.get(split, split)} {NAMES.get(name, name)}"
    return f"{said} ({'noisy' if labels == 'noisy' else 'true'} labels)" if labels else said


def limits_of(metric: str) -> tuple[float, float]:
    """Where a metric's values may lie: a share in [0, 1], a loss or a distance from 0 on, anything else anywhere."""
    _, name, _ = _parts_of(metric)
    if name in SHARES:
        return 0.0, 1.0
    return (0.0 if name in NAMES and metric != OWN_LOSS else -math.inf), math.inf


def _parts_of(metric: str) -> tuple[str, str, str]:
    """`val`, `accuracy` and `noisy` of `val_accuracy_noisy`; no labels for a metric that has only one kind."""
    split, _, rest = metric.partition("_")
    labels = next((each for each in LABELS if rest.endswith(f"_{each}")), "")
    return split, rest.removesuffix(f"_{labels}"), labels


def score_text(values: Sequence[float]) -> str:
    """`0.9471 ± 0.0123`: mean and standard deviation over repeats; no spread for a single one."""
    if not values:
        return NOTHING
    mean = f"{statistics.fmean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def common_n(counts: Iterable[int]) -> int | None:
    """The number of repeats where all that have any have the same one; None where they differ."""
    found = {count for count in counts if count}
    return found.pop() if len(found) == 1 else None


def with_n(text: str, n: int, common: int | None) -> str:
    """A number with its n, unless all have the same one, which the caption then says."""
    return text if common is not None or not n else f"{text} (n {n})"


def repeats_words(common: int | None) -> str:
    """What a caption says of n."""
    if common is None:
        return "Mean ± standard deviation over n repeats; one repeat has no spread."
    if common == 1:
        return "One repeat each (n = 1): no spread can be given."
    return f"Mean ± standard deviation over n = {common} repeats."


def p_text(p: float | None) -> str:
    """`0.012`, `< 0.0001`."""
    if p is None:
        return NOTHING
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.01 else f"{p:.2f}"


def signed(value: float, digits: int = 4) -> str:
    """`+0.0123`, `−0.0040`."""
    return f"{value:+.{digits}f}".replace("-", "−")


def settings(params: Mapping[str, Any], searched: Iterable[str]) -> str:
    """What was searched, at a config: `alpha 1.5, lr 0.05`."""
    named = {key.rpartition(".")[2]: value for key, value in params.items()}
    return ", ".join(f"{key} {value_text(named[key])}" for key in searched if key in named)


def value_text(value: Any) -> str:
    """A setting's value as one reads it."""
    plain = setting_text(value)
    return f"{plain:.3g}" if isinstance(plain, float) else str(plain)


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def counted(count: int, what: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def finite(value: Any) -> bool:
    """Whether a report's value is a number that can be drawn."""
    return isinstance(value, int | float) and math.isfinite(value)
