"""Scores, numbers and p-values as every table writes them."""

from __future__ import annotations

import math

from study.results.statistics import SIGNIFICANCE

SMALLEST_P = 1e-4
WIDEST = 1e6  # score that is written out


def format_score(mean: float | None, sd: float | None, n: int) -> str:
    """`0.947 ± 0.012 (n 3)`; no spread is given for a single repeat."""
    if mean is None or not math.isfinite(mean):
        return "—"
    return (
        f"{format_number(mean)} ± {format_number(sd)} (n {n})" if sd is not None else f"{format_number(mean)} (n {n})"
    )


def format_number(value: float, sign: str = "", digits: int = 4) -> str:
    """`0.9470`, and `1.0000e+300` of what would be many digits; `+` as `sign` is written before positive ones too."""
    return f"{value:{sign}.{digits}{'f' if abs(value) < WIDEST else 'e'}}"


def format_p(p: float) -> str:
    """`0.012`, `< 0.0001`; near 5 % as many digits as it takes to see on which side it is."""
    if p < SMALLEST_P:
        return f"< {SMALLEST_P}"
    digits = 4 if p < 0.01 else 2
    while _side(float(f"{p:.{digits}f}")) != _side(p):
        digits += 1
    return f"{p:.{digits}f}"


def _side(p: float) -> int:
    return (p > SIGNIFICANCE) - (p < SIGNIFICANCE)


def counted(count: int, what: str, several: str = "") -> str:
    """`1 task`, `2 tasks`; `several` is the word for these where it is not `what` with an s."""
    return f"{count:,} {what if count == 1 else several or f'{what}s'}"
