"""Numbers and metrics in words, the same in every part of a report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from study.results.limits import OWN_LOSS, parts_of
from study.results.numbers import format_number, format_p
from study.tracking.words import listed as listed
from study.tracking.words import setting_text

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
SETS = {"val": "validation", "test": "test", "train": "training"}
NOTHING = "–"


def metric_words(metric: str, *, clean: bool = False) -> str:
    """`test accuracy`, `validation accuracy (noisy labels)`; without labels where a task is `clean`."""
    split, name, labels = parts_of(metric)
    if metric == OWN_LOSS:
        return "training loss"
    said = f"{SETS.get(split, split)} {NAMES.get(name, name)}"
    return f"{said} ({'noisy' if labels == 'noisy' else 'true'} labels)" if labels and not clean else said


def score_text(values: Sequence[float], digits: int = 4) -> str:
    """`0.9471 ± 0.0123`: mean and standard deviation over repeats; no spread for a single one."""
    if not values:
        return NOTHING
    mean = number_text(statistics.fmean(values), digits)
    return f"{mean} ± {format_number(statistics.stdev(values), digits=digits)}" if len(values) > 1 else mean


def number_text(value: float, digits: int = 4) -> str:
    """`0.9471`. What differs by the rounding of a score alone reads alike, at a half too."""
    return format_number(round(value, digits + 2), digits=digits)


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
    return format_p(p)


def signed(value: float, digits: int = 4) -> str:
    """`+0.0123`, `−0.0040`."""
    return format_number(value, "+", digits).replace("-", "−")


def interval_text(interval: tuple[float, float], *, difference: bool = False) -> str:
    """`0.9310 to 0.9642`; of a difference, with its signs."""
    low, high = (signed(value) if difference else format_number(value).replace("-", "−") for value in interval)
    return f"{low} to {high}"


def settings(params: Mapping[str, Any], searched: Iterable[str]) -> str:
    """What was searched, at a config: `alpha 1.5, lr 0.05`."""
    named = {key.rpartition(".")[2]: value for key, value in params.items()}
    return ", ".join(f"{key} {value_text(named[key])}" for key in searched if key in named)


def value_text(value: Any) -> str:
    """A setting's value as one reads it."""
    plain = setting_text(value)
    return f"{plain:.3g}" if isinstance(plain, float) else str(plain)


def span(counts: Iterable[int]) -> str:
    """`287`, `287 to 5,000`."""
    found = sorted(set(counts))
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"


def noise_name(facts: Mapping[str, Any]) -> str:
    """`uniform`, `asymmetric m1`: what tables call a cell's noise, but for its rate."""
    return str(facts["noise"]).removesuffix(f" {facts['noise_rate']:g}")


def finite(value: Any) -> bool:
    """Whether a report's value is a number that can be drawn."""
    return isinstance(value, int | float) and math.isfinite(value)
