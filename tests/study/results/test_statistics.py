"""The statistics, against scipy and against a table worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from study.results.statistics import (
    critical_difference,
    detectable_effect,
    holm,
    interval,
    mean_ranks,
    paired_test,
    pairwise_tests,
    repeats_needed,
)

BEFORE, AFTER = [72.0, 75.0, 71.0, 78.0, 74.0], [74.0, 78.0, 75.0, 83.0, 80.0]  # differences 2, 3, 4, 5, 6
scores = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=9)


def test_paired_test_of_a_table_worked_by_hand() -> None:
    # Mean 4, sd sqrt(10 / 4) = 1.5811, t = 4 / (1.5811 / sqrt 5) = 5.6569 at 4 degrees of freedom; t* = 2.7764.
    found = paired_test(AFTER, BEFORE)
    assert found is not None
    assert (found.n, found.mean) == (5, 4.0)
    assert found.effect == pytest.approx(2.5298, abs=1e-4)
    assert found.p == pytest.approx(0.004813, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((2.0368, 5.9632), abs=1e-4)
    assert found.p_wilcoxon is None  # five pairs cannot fall below 0.0625


@settings(deadline=None)
@given(scores)
def test_paired_test_equals_scipys(pairs: list[tuple[float, float]]) -> None:
    a, b = ([pair[i] for pair in pairs] for i in (0, 1))
    differences = np.subtract(a, b)
    if np.std(differences) < 2e-6:
        return
    found, theirs = paired_test(a, b), stats.ttest_rel(a, b)
    assert found is not None
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    low, high = theirs.confidence_interval()
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)
    if len(pairs) >= 6:
        assert found.p_wilcoxon == pytest.approx(stats.wilcoxon(differences).pvalue)


def test_among_equal_families_the_best_is_told_from_another_in_no_more_than_5_percent_of_studies() -> None:
    rng = np.random.default_rng(0)
    false, studies, families, repeats = 0, 250, 11, 5
    for _ in range(studies):
        scores = rng.normal(size=(families, repeats)).tolist()
        (tests,) = pairwise_tests([{str(i): dict(enumerate(row)) for i, row in enumerate(scores)}])
        best = str(max(range(families), key=lambda i: sum(scores[i])))
        false += any((p or 1) < 0.05 for (_, against), (_, p) in tests.items() if against == best)
    assert false / studies < 0.08  # with Holm's correction for the ten tests against it alone: 0.092 here


def test_all_pairs_are_tested_in_both_orders_and_corrected_over_all_tasks() -> None:
    a, b, c = [0.1, 0.2, 0.4], [0.3, 0.5, 0.5], [0.9, 0.7, 0.8]
    first, second = pairwise_tests(
        [{"a": dict(enumerate(a)), "b": dict(enumerate(b)), "c": dict(enumerate(c))}, {"a": {0: 1.0}, "b": {0: 0.5}}]
    )
    raw = [stats.ttest_rel(*pair).pvalue for pair in ((a, b), (a, c), (b, c))]
    assert [first[pair][1] for pair in (("a", "b"), ("a", "c"), ("b", "c"))] == pytest.approx(holm(raw))
    assert second == {}  # one repeat
    (forth, p), (back, same) = first["a", "b"], first["b", "a"]
    assert (back.mean, back.low, back.high, same) == (-forth.mean, -(forth.high or 0), -(forth.low or 0), p)


def test_interval_equals_scipys_and_a_single_value_has_none() -> None:
    values = [0.91, 0.93, 0.92, 0.95]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert interval(values) == pytest.approx(expected)
    assert interval([0.9]) is None
    assert paired_test([0.9], [0.8]) is None


@pytest.mark.parametrize("n", [2, 3, 5, 8])
@pytest.mark.parametrize("step", [0.0, 1 / 80, -4 / 80])
def test_differences_that_are_all_equal_are_not_tested(n: int, step: float) -> None:
    """As steps of 1/80 are of 80 images; float32, as measured, so that differences vary in the eighth digit."""
    b = np.array([(60 + 3 * i) / 80 for i in range(n)], np.float32)
    a = (b + np.float32(step)).astype(float)
    found = paired_test(list(a), list(map(float, b)))
    assert found is not None
    assert found.mean == pytest.approx(step, abs=1e-7)
    assert (found.sd, found.low, found.high, found.effect, found.p, found.p_wilcoxon) == (0.0, *[None] * 5)


def test_two_pairs_are_not_tested_and_three_are() -> None:
    two, three = paired_test([0.6, 0.81], [0.5, 0.7]), paired_test([0.6, 0.81, 0.9], [0.5, 0.7, 0.8])
    assert two is not None
    assert three is not None
    assert (two.n, two.mean) == (2, pytest.approx(0.105))
    assert (two.low, two.high, two.p) == (None, None, None)
    assert three.p == pytest.approx(stats.ttest_rel([0.6, 0.81, 0.9], [0.5, 0.7, 0.8]).pvalue)


def test_an_effect_size_needs_five_pairs() -> None:
    four, five = paired_test(AFTER[:4], BEFORE[:4]), paired_test(AFTER, BEFORE)
    assert four is not None
    assert five is not None
    assert (four.effect, five.effect) == (None, pytest.approx(2.5298, abs=1e-4))


def test_unequal_lengths_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="3 values cannot be paired with 2"):
        paired_test([1, 2, 3], [1, 2])


@pytest.mark.parametrize(("effect", "pairs"), [(0.5, 34), (0.2, 199), (0.8, 15), (1.0, 10)])
def test_repeats_needed_are_those_of_published_tables(effect: float, pairs: int) -> None:
    """Those of G*Power 3.1 for a two-sided paired t-test at 5 % with a power of 80 %."""
    assert repeats_needed(effect) == repeats_needed(-effect) == pairs


def test_one_of_several_tests_needs_more_repeats() -> None:
    alone, among_ten = repeats_needed(0.5), repeats_needed(0.5, tests=10)
    assert alone is not None
    assert among_ten is not None
    assert among_ten == 58 > alone  # at 0.5 %: G*Power 3.1


@pytest.mark.parametrize(("n", "tests"), [(3, 1), (3, 40), (5, 1), (5, 20), (10, 3), (34, 1), (200, 10)])
def test_detectable_effect_is_found_four_times_out_of_five(n: int, tests: int) -> None:
    """By the normal distribution of the mean, integrated over the chi distribution of the standard deviation."""
    effect = detectable_effect(n, tests)
    critical, shift = stats.t.ppf(1 - 0.05 / tests / 2, n - 1), effect * math.sqrt(n)

    def found_and_density(sd: float) -> float:
        found = stats.norm.sf(critical * sd - shift) + stats.norm.cdf(-critical * sd - shift)
        return float(found * stats.chi.pdf(sd * math.sqrt(n - 1), n - 1) * math.sqrt(n - 1))

    power, _ = integrate.quad(found_and_density, 0, 10, points=[shift / critical, 1.0], limit=500)
    assert power == pytest.approx(0.8, abs=1e-4)
    assert repeats_needed(effect * (1 + 1e-6), tests) == n


@pytest.mark.parametrize("effect", [0.3, 0.7, 1.2, 3.0])
@pytest.mark.parametrize("tests", [1, 6, 40])
def test_repeats_needed_are_the_first_with_that_power_by_scipys_noncentral_t(effect: float, tests: int) -> None:
    def power(n: int) -> float:
        critical = stats.t.ppf(1 - 0.05 / tests / 2, n - 1)
        shift = effect * math.sqrt(n)
        return float(stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift))

    needed = repeats_needed(effect, tests)
    assert needed is not None
    assert power(needed - 1) < 0.8 <= power(needed)


@pytest.mark.parametrize("effect", [10.0, 1e3, 1e6])
def test_huge_effects_need_few_repeats_and_are_numbers(effect: float) -> None:
    needed = [repeats_needed(effect, tests) for tests in (1, 40)]
    assert needed[0] in (2, 3)
    assert all(n is not None and 2 <= n <= 6 for n in needed)


def test_an_effect_of_nothing_is_never_seen() -> None:
    assert repeats_needed(0.0) is None
    assert repeats_needed(1e-6) is None
    assert repeats_needed(math.nan) is None


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.2))
def test_holm_rejects_what_the_stepwise_procedure_rejects(p_values: list[float], level: float) -> None:
    """Holm (1979): the smallest at level / m, the next at level / (m - 1), ..., up to the first that is not."""
    rejected, m = set[int](), len(p_values)
    for place, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        if p_values[i] * (m - place) > level:
            break
        rejected.add(i)
    assert {i for i, p in enumerate(holm(p_values)) if p <= level} == rejected
    assert {i for i, p in enumerate(p_values) if p * m <= level} <= rejected  # what Bonferroni finds, Holm finds


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_helps(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(after >= before for before, after in zip(p_values, corrected, strict=True))
    assert all(0 <= p <= 1 for p in corrected)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_ranks_of_a_table_worked_by_hand() -> None:
    """Four families on five tasks; rows of ranks (1 2 3 4), (1.5 1.5 3 4), (2 1 4 3), (1 4 2 3), (2 2 2 4)."""
    table = [
        [0.90, 0.85, 0.80, 0.70],
        [0.88, 0.88, 0.75, 0.60],
        [0.70, 0.71, 0.50, 0.60],
        [0.95, 0.60, 0.90, 0.80],
        [0.50, 0.50, 0.50, 0.40],
    ]
    assert mean_ranks(table) == pytest.approx([1.5, 2.1, 2.8, 3.6])
    losses = [[1 - score for score in row] for row in table]
    assert mean_ranks(losses, more_is_better=False) == pytest.approx([1.5, 2.1, 2.8, 3.6])
    # 2.569 sqrt(4 5 / (6 5)) = 2.0976: the first and the last differ by 2.1, and by that are just told apart.
    assert critical_difference(4, 5) == pytest.approx(2.0976, abs=5e-4)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 1000), min_size=4, max_size=4, unique=True), min_size=3, max_size=9))
def test_mean_ranks_are_those_of_scipys_friedman_test(table: list[list[int]]) -> None:
    """Its statistic is 12 N / (k (k + 1)) times the sum of (R - (k + 1) / 2) squared, where no ranks are shared."""
    cells = [[score / 1000 for score in row] for row in table]
    ranks, expected = mean_ranks(cells), stats.friedmanchisquare(*zip(*table, strict=True)).statistic
    assert 12 * len(table) / 20 * sum((rank - 2.5) ** 2 for rank in ranks) == pytest.approx(expected)


def test_ranks_of_scores_that_differ_by_rounding_alone_are_shared() -> None:
    one = float(np.float32(0.1) + np.float32(0.2)) / 3
    assert mean_ranks([[one, 0.1, 0.3], [0.1, one, 0.05]]) == [2.0, 2.0, 2.0]


def test_the_critical_difference_is_that_of_demsars_example() -> None:
    """Demšar (2006), section 3.2.2: four classifiers on 14 data sets, 1.25."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)


def test_mean_ranks_share_ties() -> None:
    assert mean_ranks([[0.9, 0.8, 0.7], [0.9, 0.9, 0.1]]) == [1.25, 1.75, 3.0]
    assert mean_ranks([[0.1, 0.2]], more_is_better=False) == [1.0, 2.0]


@pytest.mark.parametrize(("families", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_difference_is_that_of_demsars_table(families: int, q: float) -> None:
    """Demšar (2006), table 5a."""
    expected = q * math.sqrt(families * (families + 1) / (6 * 14))
    assert critical_difference(families, 14) == pytest.approx(expected, rel=1e-3)


def test_scores_whose_squares_have_no_float_have_intervals_and_tests_all_the_same() -> None:
    huge = [1e300, 2e300, 4e300]
    assert interval(huge) == pytest.approx([1e300 * end for end in interval([1.0, 2.0, 4.0]) or ()])
    ours, plain = paired_test(huge, [0.0, 0.0, 0.0]), paired_test([1.0, 2.0, 4.0], [0.0, 0.0, 0.0])
    assert ours is not None
    assert plain is not None
    assert ours.p == pytest.approx(plain.p)
