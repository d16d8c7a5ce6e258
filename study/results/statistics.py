"""Intervals and tests for few, paired repeats. Plain numbers in, plain numbers out; scipy does the distributions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
POWER = 0.8
MOST_REPEATS = 10_000  # beyond which a difference is not worth looking for
FEWEST_PAIRS = 3  # of a test: two equal steps of a score are chance, and would pass for certainty
EFFECT_FROM = 5  # pairs: with fewer, the standard deviation by which an effect is divided is hardly known
ROUNDING = 1e-6  # relative, of scores that were float32 once: differences that vary by less are equal
WILCOXON_FROM = 6  # pairs: with fewer, no result can fall below 0.05


@dataclass(frozen=True)
class PairedTest:
    """Differences `a - b` over pairs: mean, sd, the mean's 95 % interval, effect size and p-values, two-sided.

    Fewer than three pairs, and differences that are all equal, are not tested: everything after `sd` is None. `effect`
    is the mean in units of `sd` (Cohen's d_z), None with fewer than five pairs; `p_wilcoxon` is None with fewer than
    six.
    """

    n: int
    mean: float
    sd: float
    low: float | None = None
    high: float | None = None
    effect: float | None = None
    p: float | None = None
    p_wilcoxon: float | None = None


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % confidence interval of the mean, by Student's t; None for fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    mean = math.fsum(values) / n
    return _around(mean, _sd(values), n)


def paired_test(a: Sequence[float], b: Sequence[float]) -> PairedTest | None:
    """Compare `a` with `b`, value i of the one with value i of the other; None for fewer than two pairs."""
    from scipy import stats

    if len(a) != len(b):
        raise ValueError(f"{len(a)} values cannot be paired with {len(b)}")
    n = len(a)
    if n < 2:
        return None
    differences = [x - y for x, y in zip(a, b, strict=True)]
    mean, sd = math.fsum(differences) / n, _sd(differences)
    if sd <= ROUNDING * max(map(abs, [*a, *b])):
        return PairedTest(n, mean, 0.0)
    if n < FEWEST_PAIRS:
        return PairedTest(n, mean, sd)
    low, high = _around(mean, sd, n)
    effect = mean / sd if n >= EFFECT_FROM else None
    p = float(2 * stats.t.sf(abs(mean) / (sd / math.sqrt(n)), n - 1))
    ranked = float(stats.wilcoxon(differences).pvalue) if n >= WILCOXON_FROM else None
    return PairedTest(n, mean, sd, low, high, effect, p, ranked)


def repeats_needed(effect: float, tests: int = 1) -> int | None:
    """The fewest pairs at which a paired t-test at 5 % finds an effect of that size (d_z) with a power of 80 %.

    As one of several `tests` it has to be found at 5 % divided by their number (Bonferroni): Holm's method then finds
    it too, whatever the other tests say. None where even 10,000 would not do.
    """

    def power(n: int) -> float:
        return _power(effect, n, tests)

    if not math.isfinite(effect) or effect == 0 or power(MOST_REPEATS) < POWER:
        return None
    few, many = 1, 2
    while power(many) < POWER:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if power(middle) >= POWER else (middle, many)
    return many


@cache
def detectable_effect(n: int, tests: int = 1) -> float:
    """The smallest effect (d_z) that a paired t-test of `n` pairs finds at 5 % with a power of 80 %.

    As one of several `tests` it has to be found at 5 % divided by their number, as in `repeats_needed`.
    """
    from scipy import optimize

    most = 1.0
    while _power(most, n, tests) < POWER:
        most *= 2
    return float(optimize.brentq(lambda effect: _power(effect, n, tests) - POWER, 1e-3, most))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being several, in their order (Holm, 1979): any of them below 0.05 is so at 5 % in all."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[i]))
        corrected[i] = highest
    return corrected


def pairwise_tests(
    tasks: Sequence[Mapping[str, Mapping[int, float]]],
) -> list[dict[tuple[str, str], tuple[PairedTest, float | None]]]:
    """Every pair of families on every task: the paired test, and its p corrected by Holm's method for all of them.

    Scores are `[tasks]{family}{repeat}`, and a test's differences those of the first family to the second, over the
    repeats that both have; pairs come in both orders. Whichever pairs are picked afterwards, by these scores too as the
    best family is, at most 5 % of studies have a false difference among them. p is None where there is no test, and a
    pair with fewer than two repeats in common is left out.
    """
    found: list[dict[tuple[str, str], PairedTest]] = []
    for families in tasks:
        tests = {}
        for (a, ours), (b, theirs) in combinations(families.items(), 2):
            common = [repeat for repeat in ours if repeat in theirs]
            if (test := paired_test([ours[r] for r in common], [theirs[r] for r in common])) is not None:
                tests[a, b] = test
        found.append(tests)
    corrected = iter(holm([test.p for tests in found for test in tests.values() if test.p is not None]))
    result = []
    for tests in found:
        both: dict[tuple[str, str], tuple[PairedTest, float | None]] = {}
        for (a, b), test in tests.items():
            p = None if test.p is None else next(corrected)
            both |= {(a, b): (test, p), (b, a): (_reversed(test), p)}
        result.append(both)
    return result


def mean_ranks(scores: Sequence[Sequence[float]], *, more_is_better: bool = True) -> list[float]:
    """The mean rank of each of k families over N cells, from scores `[N][k]`; 1 is best.

    Scores that differ by rounding alone are ties, and share their ranks.
    """
    from scipy import stats

    sign = -1 if more_is_better else 1
    ranks = [stats.rankdata([sign * score for score in _level(cell)]) for cell in scores]
    return [float(sum(column) / len(ranks)) for column in zip(*ranks, strict=True)]


def critical_difference(families: int, cells: int) -> float:
    """By how much mean ranks must differ to be told apart at 5 % (Nemenyi's test; Demšar, 2006, section 3.2.2)."""
    from scipy import stats

    q = float(stats.studentized_range.ppf(1 - SIGNIFICANCE, families, math.inf)) / math.sqrt(2)
    return q * math.sqrt(families * (families + 1) / (6 * cells))


def _reversed(test: PairedTest) -> PairedTest:
    """The test of `b - a` from that of `a - b`."""

    def minus(value: float | None) -> float | None:
        return None if value is None else -value

    return replace(test, mean=-test.mean, low=minus(test.high), high=minus(test.low), effect=minus(test.effect))


def _level(values: Sequence[float]) -> list[float]:
    """The values, each that is the next one's but for rounding made equal to it."""
    level: dict[float, float] = {}
    last = math.nan
    for value in sorted(values):
        level[value] = last if math.isclose(value, last, rel_tol=ROUNDING) else value
        last = level[value]
    return [level[value] for value in values]


def _power(effect: float, n: int, tests: int) -> float:
    """How often t squared exceeds its critical value; `effect` is not 0, at which scipy's noncentral F is wrong."""
    from scipy import stats

    critical = float(stats.f.ppf(1 - SIGNIFICANCE / tests, 1, n - 1))
    return float(stats.ncf.sf(critical, 1, n - 1, n * effect**2))


def _sd(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.hypot(*(value - mean for value in values)) / math.sqrt(len(values) - 1)  # squares may be too large


def _around(mean: float, sd: float, n: int) -> tuple[float, float]:
    from scipy import stats

    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * sd / math.sqrt(n)
    return mean - half, mean + half
