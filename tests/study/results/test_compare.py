"""Comparisons: paired by repeat, corrected for being several, silent about what cannot be told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy import stats

from study.cli.compare import _other_baseline
from study.cli.confirm import more_repeats
from study.errors import StudyError
from study.records.ledger import Ledger
from study.records.paths import StudyPaths
from study.results.compare import Comparison, Row, compare
from study.results.statistics import SIGNIFICANCE, detectable_effect, paired_test
from study.spec import ConfirmSpec
from tests.study.conftest import Driver, SpecMaker, Todo

FAMILIES = ["ce", "mse", "tce"]
GAIN = {"ce": 0.0, "mse": 0.0001, "tce": 0.05, "mae": 0.0}


OWN: dict[str, Callable[[int], float]] = {
    "ce": lambda repeat: 0.001 * (repeat % 2),
    "mse": lambda repeat: 0.01 * (-1) ** repeat,
    "tce": lambda repeat: 0.001 * (repeat % 3),
    "mae": lambda repeat: 0.01 * (repeat % 3),
}


def by_family(todo: Todo, epoch: int) -> float:
    """Repeats differ alike for all families, but for a little of each one's own."""
    family = todo.config.trial(0)["loss"]["family"]
    return 0.6 + GAIN[family] + 0.02 * todo.repeat + OWN[family](todo.repeat) + 0.001 * epoch


@pytest.fixture
def compared(driver: Driver, make_spec: SpecMaker) -> Callable[..., Comparison]:
    def run(*, asked: dict[str, Any] | None = None, **changes: Any) -> Comparison:
        driver.worker.accuracy = by_family
        driver.launch(make_spec(families=FAMILIES, **{"search__repeats": 5, **changes}))
        with Ledger(driver.ledger_path) as ledger:
            return compare([("small", ledger)], **(asked or {}))

    return run


def rows_of(comparison: Comparison, task: str = "digits, clean, mlp hidden=8") -> dict[str, Row]:
    return {row.entry.family: row for row in comparison.tasks[task]}


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {name: row.verdict(comparison.more_is_better) for name, row in rows_of(comparison).items()}


def test_a_clear_difference_is_named_and_an_unclear_one_is_said_to_be_unclear(
    compared: Callable[..., Comparison],
) -> None:
    found = verdicts(compared())
    assert found["ce"] == "baseline"
    assert found["tce"] == "better than ce"
    assert found["mse"].startswith("not distinguishable from ce")
    assert verdicts(compared(asked={"baseline": "tce"}))["ce"] == "worse than tce"


def test_less_is_better_where_a_loss_is_selected_by(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.accuracy = by_family
    driver.launch(make_spec(families=FAMILIES, search__repeats=5, select__metric="val_loss"))
    with Ledger(driver.ledger_path) as ledger:
        comparison = compare([("small", ledger)])
    assert comparison.metric == "val_loss_noisy"
    assert verdicts(comparison)["tce"] == "better than ce"  # its loss, 1 - accuracy, is smaller
    assert comparison.ranks["tce"] == 1.0


def test_p_values_are_corrected_for_all_tests_of_the_comparison(compared: Callable[..., Comparison]) -> None:
    both_tasks = compared()
    assert len(both_tasks.tasks) == 2
    row = rows_of(both_tasks)["tce"]
    assert row.test is not None
    assert row.p == pytest.approx(min(1.0, 4 * row.test.p))  # the smallest of four


def test_a_single_repeat_has_neither_spread_nor_test(compared: Callable[..., Comparison]) -> None:
    comparison = compared(search__repeats=1)
    row = rows_of(comparison)["tce"]
    assert (row.interval, row.test, row.p, row.entry.sd) == (None, None, None, None)
    assert verdicts(comparison)["tce"] == "one repeat: no spread, no test"


def test_the_number_of_tests_is_told_and_grows_with_what_is_compared(
    compared: Callable[..., Comparison], driver: Driver, make_spec: SpecMaker, tmp_path: Path, cache: Path
) -> None:
    alone = compared(noise__rate=0.0)
    assert alone.num_tests == alone.as_json()["num_tests"] == 2
    other = Driver(tmp_path / "other.db", cache, driver.worker)
    driver.worker.checkpoints.clear()
    other.launch(make_spec(families=["mae"], search__repeats=5, noise__rate=0.0))
    with Ledger(driver.ledger_path) as one, Ledger(other.ledger_path) as two:
        both = compare([("a", one), ("b", two)])
    assert both.num_tests == 3
    fewer, more = rows_of(alone)["tce"], rows_of(both)["tce"]
    assert fewer.test == more.test
    assert fewer.test is not None
    assert fewer.test.p is not None
    frame = alone.to_frame().set_index("family")
    assert (frame.paired_p["tce"], frame.p_holm["tce"]) == (fewer.test.p, fewer.p)
    assert (fewer.p, more.p) == (pytest.approx(2 * fewer.test.p), pytest.approx(3 * fewer.test.p))


def test_equal_differences_are_no_test_and_count_as_none(
    compared: Callable[..., Comparison], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GAIN, "mse", -4 / 80)
    monkeypatch.setitem(OWN, "mse", OWN["ce"])
    found = compared(noise__rate=0.0)
    row = rows_of(found)["mse"]
    assert verdicts(found)["mse"] == "no test: all differences equal"
    assert (row.p, row.detectable, row.repeats_needed) == (None, None, None)
    assert found.num_tests == 1


def test_two_repeats_are_not_tested_and_three_are(compared: Callable[..., Comparison]) -> None:
    two = compared(search__repeats=2, noise__rate=0.0)
    assert verdicts(two)["tce"] == "no test: fewer than 3 repeats in common with ce"
    assert two.num_tests == 0
    three = compared(search__repeats=3, noise__rate=0.0)
    assert verdicts(three)["tce"] == "better than ce"


def test_what_could_have_been_told_is_told_and_a_larger_difference_is_found(
    compared: Callable[..., Comparison],
) -> None:
    rows = rows_of(compared())
    tce, mse = rows["tce"], rows["mse"]
    assert tce.test is not None
    assert tce.detectable == pytest.approx(detectable_effect(5, 4) * tce.test.sd)
    assert tce.detectable is not None
    assert mse.detectable is not None
    assert tce.test.mean > tce.detectable
    assert mse.test is not None
    assert abs(mse.test.mean) < mse.detectable


def test_more_repeats_than_a_hundred_are_not_counted(compared: Callable[..., Comparison]) -> None:
    found = compared()
    assert (rows_of(found)["mse"].repeats_needed or 0) > 100
    assert verdicts(found)["mse"] == "not distinguishable from ce; > 100 repeats might tell"


def test_ranks_need_two_tasks_that_every_family_has_a_score_in(
    compared: Callable[..., Comparison],
) -> None:
    found = compared()
    assert list(found.ranks.values()) == [3.0, 2.0, 1.0]
    assert found.critical_difference == pytest.approx(2.343 * (3 * 4 / (6 * 2)) ** 0.5, rel=1e-3)


def test_ranks_of_one_task_say_nothing(compared: Callable[..., Comparison]) -> None:
    found = compared(noise__rate=0.0)
    assert (found.ranks, found.critical_difference) == ({}, None)


def test_divergence_and_cost_are_told(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: "diverged" if todo.config.number == 2 else None
    driver.launch(make_spec(noise__rate=0.0))
    with Ledger(driver.ledger_path) as ledger:
        entry = rows_of(compare([("small", ledger)]))["tce"].entry
    assert entry.divergence_rate == pytest.approx(1 / 5)  # three configs screened, two of them repeated
    assert entry.epochs == 4 * 9 + 1


def test_confirmed_scores_come_before_those_of_the_search(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(confirm={"repeats": 3}, noise__rate=0.0)
    driver.launch(spec)
    driver.confirm(spec)
    with Ledger(driver.ledger_path) as ledger:
        confirmed, searched = compare([("small", ledger)]), compare([("small", ledger)], phase="search")
    assert (confirmed.phase, confirmed.metric) == ("confirm", "test_accuracy")
    assert (searched.phase, searched.metric) == ("search", "val_accuracy_noisy")
    row = rows_of(confirmed)["tce"]
    assert row.entry.scores == pytest.approx((0.8, 0.81, 0.82))
    assert row.entry.epochs == 9 * (2 * 3 + 3)  # the search's epochs and the confirmation's


def test_trials_of_different_masks_are_never_paired(
    driver: Driver, make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = driver.worker.step

    def other_mask(todo: Todo, *given: Any, **more: Any) -> Any:
        result = original(todo, *given, **more)
        if result is not None and todo.cell.name == "tce":
            result["facts"]["noise_digest"] = "another"
        return result

    monkeypatch.setattr(driver.worker, "step", other_mask)
    driver.launch(make_spec(noise__rate=0.4))
    with Ledger(driver.ledger_path) as ledger, pytest.raises(StudyError, match="differ in the noise of repeat 0"):
        compare([("small", ledger)])


def test_studies_are_compared_by_task_and_entries_of_one_name_told_apart(
    driver: Driver, make_spec: SpecMaker, tmp_path: Path, cache: Path
) -> None:
    other = Driver(tmp_path / "other.db", cache, driver.worker)
    driver.launch(make_spec(families=["ce", "tce"], noise__rate=0.0))
    driver.worker.checkpoints.clear()
    other.launch(make_spec(families=["ce", "mse"], noise__rate=0.0))
    with Ledger(driver.ledger_path) as one, Ledger(other.ledger_path) as two:
        found = compare([("a", one), ("b", two)])
    assert list(rows_of(found)) == ["a/ce", "tce", "b/ce", "mse"]
    assert {row.against for row in rows_of(found).values()} == {"a/ce"}


def test_a_baseline_that_several_studies_have_is_the_first_with_repeats_to_test(
    driver: Driver, make_spec: SpecMaker, tmp_path: Path, cache: Path
) -> None:
    driver.worker.accuracy = by_family
    other = Driver(tmp_path / "other.db", cache, driver.worker)
    driver.launch(make_spec(families=["ce"], search__repeats=1, noise__rate=0.0))
    driver.worker.checkpoints.clear()
    other.launch(make_spec(families=["ce", "tce"], search__repeats=5, noise__rate=0.0))
    with Ledger(driver.ledger_path) as one, Ledger(other.ledger_path) as two:
        found = compare([("a", one), ("b", two)])
        asked = compare([("a", one), ("b", two)], baseline="a/ce")
    assert {row.against for row in rows_of(found).values()} == {"b/ce"}
    assert verdicts(found)["tce"] == "better than b/ce"
    assert (asked.num_tests, {row.against for row in rows_of(asked).values()}) == (0, {"a/ce"})
    assert _other_baseline(asked) == " b/ce has the repeats that a baseline needs: --baseline b/ce."
    assert _other_baseline(found) == ""


@pytest.fixture
def overlapping(driver: Driver, make_spec: SpecMaker, tmp_path: Path, cache: Path) -> Callable[..., Comparison]:
    """Studies a (ce, tce; rates 0 and 0.2) and b (ce, mse; rates 0.2 and 0.4) compared."""

    def run(rates: tuple[list[float], list[float]] = ([0.0, 0.2], [0.2, 0.4]), **asked: Any) -> Comparison:
        other = Driver(tmp_path / "other.db", cache, driver.worker)
        driver.worker.accuracy = by_family
        driver.launch(make_spec(families=["ce", "tce"], noise__rate=rates[0], search__repeats=5))
        driver.worker.checkpoints.clear()
        other.launch(make_spec(families=["ce", "mse"], noise__rate=rates[1], search__repeats=5))
        with Ledger(driver.ledger_path) as one, Ledger(other.ledger_path) as two:
            return compare([("a", one), ("b", two)], **asked)

    return run


CLEAN, SOME, MUCH = (f"digits, {noise}, mlp hidden=8" for noise in ("clean", "uniform 0.2", "uniform 0.4"))


def test_a_task_that_one_study_alone_has_is_tested_within_and_names_stay_the_same_on_all_tasks(
    overlapping: Callable[..., Comparison],
) -> None:
    found = overlapping()
    assert [(task, list(rows_of(found, task))) for task in found.tasks] == [
        (CLEAN, ["a/ce", "tce"]), (SOME, ["a/ce", "tce", "b/ce", "mse"]), (MUCH, ["b/ce", "mse"]),
    ]  # fmt: skip
    against = {task: {row.against for row in rows} for task, rows in found.tasks.items()}
    assert against == {CLEAN: {"a/ce"}, SOME: {"a/ce"}, MUCH: {"b/ce"}}
    assert rows_of(found, CLEAN)["tce"].verdict(True) == "better than a/ce"
    assert rows_of(found, MUCH)["mse"].verdict(True).startswith("not distinguishable from b/ce")
    assert rows_of(found, SOME)["b/ce"].verdict(True) == "no test: all differences equal"
    assert found.num_tests == 4
    assert (found.ranks, found.critical_difference) == ({}, None)  # over the one task that both have


def test_a_baseline_is_found_by_its_name_on_each_task_or_said_to_be_missing(
    overlapping: Callable[..., Comparison],
) -> None:
    found = overlapping(baseline="b/ce")
    assert [rows[0].against for rows in found.tasks.values()] == ["a/ce", "b/ce", "b/ce"]
    only_b = overlapping(baseline="mse")
    assert rows_of(only_b, MUCH)["b/ce"].test is not None
    assert rows_of(only_b, CLEAN)["tce"].verdict(True) == "no test: the baseline has not run on this task"


def test_studies_without_a_task_in_common_are_ranked_over_the_tasks_of_all(
    overlapping: Callable[..., Comparison],
) -> None:
    found = overlapping(([0.0], [0.4]))
    assert [list(rows_of(found, task)) for task in found.tasks] == [["ce", "tce"], ["ce", "mse"]]
    assert {row.against for rows in found.tasks.values() for row in rows} == {"ce"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_test_score_that_is_no_finite_number_counts_as_diverged(
    value: float | None, driver: Driver, make_spec: SpecMaker
) -> None:
    def tested(todo: Todo) -> dict[str, Any]:
        lost = todo.cell.cell.name == "mse" and todo.repeat == 1
        return {"test": {"test_accuracy": value if lost else by_family(todo, 0), "test_loss": value}}

    spec = make_spec(families=FAMILIES, noise__rate=0.0, search__repeats=1, confirm={"repeats": 5})
    driver.launch(spec)
    driver.worker.tested = tested
    driver.confirm(spec)
    with Ledger(driver.ledger_path) as ledger:
        found = compare([("small", ledger)])
    row = rows_of(found)["mse"]
    assert len(row.entry.scores) == 4
    assert row.test is not None
    assert row.test.n == 4
    assert row.entry.scoreless == 1
    assert row.entry.divergence_rate == pytest.approx(1 / 6)  # of five confirmed trials and one searched
    assert rows_of(found)["ce"].entry.divergence_rate == 0
    json.loads(json.dumps(found.as_json(), allow_nan=False))


def test_a_family_whose_test_scores_are_all_lost_has_none(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(families=FAMILIES, noise__rate=0.0, confirm={"repeats": 3})
    driver.launch(spec)
    driver.worker.tested = lambda todo: {
        "test": {"test_accuracy": float("nan") if todo.cell.cell.name == "mse" else 0.5 + 0.01 * todo.repeat}
    }
    driver.confirm(spec)
    with Ledger(driver.ledger_path) as ledger:
        found = compare([("small", ledger)])
    assert verdicts(found)["mse"] == "no score"
    with Ledger(driver.ledger_path) as ledger:
        against_lost = verdicts(compare([("small", ledger)], baseline="mse"))
    assert against_lost["mse"] == "no score"
    assert against_lost["ce"] == against_lost["tce"] == "no test: the baseline mse has no score"
    driver.worker.tested = lambda todo: {"test": {"test_accuracy": float("nan")}}
    driver.confirm(spec.model_copy(update={"confirm": ConfirmSpec(repeats=2, protocol="retrain")}))
    with (
        Ledger(driver.ledger_path) as ledger,
        pytest.raises(StudyError, match=r"confirmation to compare \(6 diverged\)"),
    ):
        compare([("small", ledger)])


def test_what_twice_as_many_repeats_would_tell_is_counted(driver: Driver, make_spec: SpecMaker) -> None:
    more = {"ce": [0.0] * 5, "mse": [0.02, 0.002, 0.04, 0.03, 0.01], "tce": [-0.01, 0.02, 0.0, 0.01, -0.01]}
    driver.worker.accuracy = lambda todo, epoch: 0.7 + more[todo.cell.name][todo.repeat]
    driver.launch(make_spec(families=FAMILIES, noise__rate=0.0, search__repeats=5))
    with Ledger(driver.ledger_path) as ledger:
        found = compare([("small", ledger)])
    needed = [rows_of(found)[name].repeats_needed for name in ("mse", "tce")]
    enough = sum(number is not None and number <= 10 for number in needed)
    assert enough == 1
    assert more_repeats(found) == "; with --repeats 10, 1 of 2 differences of this size would be told"


def test_nothing_is_foretold_from_too_few_repeats(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(families=FAMILIES, noise__rate=0.0, search__repeats=3))
    with Ledger(driver.ledger_path) as ledger:
        assert more_repeats(compare([("small", ledger)])) == ""


def test_a_comparison_is_the_one_worked_by_hand(driver: Driver, make_spec: SpecMaker) -> None:
    """Differences to ce: of mse 0.02, 0.03, 0.04, 0.05, 0.06, of tce -0.01, 0.02, 0.00, 0.01, -0.01.

    mse: mean 0.04, sd sqrt(0.001 / 4) = 0.015811, d 2.5298, t 5.6569, p 0.004813, twice that by Holm. tce: mean 0.002,
    sd sqrt(0.00068 / 4) = 0.013038, d 0.1534, t 0.3430, p 0.7489, which Holm's second step leaves as it is.
    """
    base = [0.70, 0.72, 0.71, 0.74, 0.73]
    more = {"ce": [0.0] * 5, "mse": [0.02, 0.03, 0.04, 0.05, 0.06], "tce": [-0.01, 0.02, 0.0, 0.01, -0.01]}
    driver.worker.accuracy = lambda todo, epoch: base[todo.repeat] + more[todo.cell.name][todo.repeat]
    driver.launch(make_spec(families=FAMILIES, noise__rate=0.0, search__repeats=5))
    with Ledger(driver.ledger_path) as ledger:
        rows = rows_of(compare([("small", ledger)]))
    mse, tce = rows["mse"], rows["tce"]
    assert mse.test is not None
    assert tce.test is not None
    assert (mse.test.mean, mse.test.sd, mse.test.effect) == pytest.approx((0.04, 0.0158114, 2.5298), rel=1e-4)
    assert (tce.test.mean, tce.test.sd, tce.test.effect) == pytest.approx((0.002, 0.0130384, 0.15339), rel=1e-4)
    assert (mse.test.p, mse.p) == pytest.approx((0.004813, 0.009626), rel=1e-3)
    assert (tce.test.p, tce.p) == pytest.approx((0.7489, 0.7489), rel=1e-3)
    assert (mse.test.low, mse.test.high) == pytest.approx((0.020368, 0.059632), abs=1e-6)
    assert mse.verdict(True) == "better than ce"
    needed, alpha = tce.repeats_needed, SIGNIFICANCE / 2  # Bonferroni's, of two tests
    assert needed is not None

    def power(n: int) -> float:
        shift, critical = tce.test.effect * n**0.5, stats.t.ppf(1 - alpha / 2, n - 1)
        return float(stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift))

    assert power(needed - 1) < 0.8 <= power(needed)


def test_studies_that_select_differently_and_unknown_baselines_are_refused(
    driver: Driver, make_spec: SpecMaker, tmp_path: Path, cache: Path
) -> None:
    other = Driver(tmp_path / "other.db", cache, driver.worker)
    driver.launch(make_spec())
    with Ledger(driver.ledger_path) as one:
        with pytest.raises(StudyError, match="unknown family 'cee'; did you mean 'ce'"):
            compare([("a", one)], baseline="cee")
        driver.worker.checkpoints.clear()
        other.launch(make_spec(select__metric="val_loss"))
        with (
            Ledger(other.ledger_path) as two,
            pytest.raises(StudyError, match="a by val_accuracy_noisy, b by val_loss"),
        ):
            compare([("a", one), ("b", two)])


def test_a_study_without_a_completed_trial_cannot_be_compared(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: "diverged"
    driver.launch(make_spec())
    with Ledger(driver.ledger_path) as ledger, pytest.raises(StudyError, match="no completed trial of the search"):
        compare([("small", ledger)])


@pytest.fixture
def told(
    tmp_path: Path,
    cache: Path,
    make_spec: SpecMaker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """What `study compare` prints of studies with these families and repeats, in one line."""
    from study.cli.compare import compare as command

    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("study.cli.compare.console", Console(width=160, soft_wrap=True))

    def run(*studies: list[str], repeats: int = 5, rate: Any = 0.0) -> str:
        names = [f"study{i}" for i in range(len(studies))]
        for name, families in zip(names, studies, strict=True):
            paths = StudyPaths(tmp_path / "home" / name)
            paths.root.mkdir(parents=True)
            driver = Driver(paths.ledger, cache)
            driver.worker.accuracy = by_family
            driver.launch(make_spec(families=families, search__repeats=repeats, noise__rate=rate))
        command(names)
        return " ".join(capsys.readouterr().out.split())

    return run


def test_the_interval_of_the_difference_and_the_cost_are_told_by_name(told: Callable[..., str]) -> None:
    said = told(["ce", "tce"])
    differences = [OWN["tce"](i) - OWN["ce"](i) + 0.05 for i in range(5)]
    expected = paired_test(differences, [0.0] * 5)
    assert expected is not None
    assert f"{expected.mean:+.4f}" in said
    assert f"{expected.low:+.4f} to {expected.high:+.4f}" in said
    assert f"d {expected.effect:+.1f}" in said
    _, costs = said.split("Cost, search included, over all tasks")
    assert re.search(r"ce │ \d+ │ \d+ s", costs)
    assert re.search(r"┃ p +┃ verdict", said)


def test_from_six_repeats_on_wilcoxons_p_stands_below_the_t_tests(told: Callable[..., str]) -> None:
    differences = [OWN["tce"](i) - OWN["ce"](i) + 0.05 for i in range(6)]
    expected = paired_test(differences, [0.0] * 6)
    assert expected is not None
    assert expected.p_wilcoxon is not None
    six = told(["ce", "tce"], repeats=6)
    assert f"Wilcoxon {expected.p_wilcoxon:.2f}" in six
    assert "the p of the signed-rank test, from 6 repeats on, not corrected" in six


def test_of_five_repeats_no_wilcoxon_test_is_told(told: Callable[..., str]) -> None:
    assert "Wilcoxon" not in told(["ce", "tce"], repeats=5)


def test_the_command_says_over_how_many_tests_and_that_more_studies_make_more(told: Callable[..., str]) -> None:
    assert "Holm's correction for all 4 tests here." in told(FAMILIES, rate=[0.0, 0.4])


def test_the_command_says_that_tests_of_several_studies_are_corrected_together(told: Callable[..., str]) -> None:
    said = told(["ce", "tce"], ["mse", "mae"])
    assert "Holm's correction for all 3 tests here: those of 2 studies together, fewer alone." in said


def test_the_command_tests_nothing_over_two_repeats_and_cuts_intervals_where_the_metric_ends(
    told: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OWN, "ce", lambda repeat: 0.3 * repeat)
    said = told(["ce", "tce"], repeats=2)
    assert "to 1.0000" in said
    assert "fewer than 3 repeats" in said
    assert "Nothing was tested." in said
    assert " p " not in said.split("Differences are")[0]


def test_ranks_that_decide_nothing_are_said_to(told: Callable[..., str]) -> None:
    assert "with so few tasks they decide nothing" in told(FAMILIES, rate=[0.0, 0.4])


def test_one_study_named_twice_is_one_study(told: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    from study.cli.compare import compare as command

    told(FAMILIES)
    command(["study0", "study0"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Holm's correction for all 2 tests here." in said
    assert "together" not in said


def test_the_command_says_that_intervals_are_not_corrected_where_p_is(told: Callable[..., str]) -> None:
    assert "Intervals are not corrected" in told(FAMILIES)


def test_intervals_and_p_of_a_single_test_agree_and_nothing_is_said_of_it(told: Callable[..., str]) -> None:
    assert "Intervals are not corrected" not in told(["ce", "mse"])


def test_a_difference_that_no_number_of_repeats_would_show_is_said_to_be_one(
    compared: Callable[..., Comparison], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GAIN, "mse", 0.0)
    monkeypatch.setitem(OWN, "mse", lambda repeat: OWN["ce"](repeat) + [-0.01, 0.01, 0.0, 0.01, -0.01][repeat] + 1e-6)
    found = compared(noise__rate=0.0)
    assert rows_of(found)["mse"].repeats_needed is None
    assert verdicts(found)["mse"] == "not distinguishable from ce; not even 10,000 repeats might tell"


@pytest.fixture
def two(driver: Driver, make_spec: SpecMaker, tmp_path: Path, cache: Path) -> Callable[..., Comparison]:
    """Studies alpha (ce) and beta (tce), changed and confirmed as asked, compared."""

    def run(confirmed: tuple[str, ...] = (), phase: str | None = None, **changes: Any) -> Comparison:
        other = Driver(tmp_path / "other.db", cache, driver.worker)
        driver.worker.accuracy = by_family
        shared = {"noise__rate": 0.0, "search__repeats": 3, "confirm": {"repeats": 3}}
        for name, one, spec in (
            ("alpha", driver, make_spec(families=["ce"], **shared)),
            ("beta", other, make_spec(families=["tce"], **shared | changes)),
        ):
            driver.worker.checkpoints.clear()
            one.launch(spec)
            if name in confirmed:
                one.confirm(spec)
        with Ledger(driver.ledger_path) as first, Ledger(other.ledger_path) as second:
            return compare([("alpha", first), ("beta", second)], phase=phase)

    return run


@pytest.mark.parametrize(("confirmed", "lacking"), [("alpha", "beta"), ("beta", "alpha")])
def test_where_one_study_is_not_confirmed_it_is_named_and_the_search_compared(
    two: Callable[..., Comparison], confirmed: str, lacking: str
) -> None:
    found = two(confirmed=(confirmed,))
    assert (found.phase, found.unconfirmed) == ("search", (lacking,))
    assert found.notes == (f"Validation scores of the search are compared, since no test score of '{lacking}' counts.",)


def test_studies_that_are_all_confirmed_or_of_which_none_is_need_no_note(two: Callable[..., Comparison]) -> None:
    found = two(confirmed=("alpha", "beta"))
    assert (found.phase, found.unconfirmed, found.notes) == ("confirm", (), ())


def test_nothing_is_noted_where_no_study_was_confirmed(two: Callable[..., Comparison]) -> None:
    found = two()
    assert (found.phase, found.unconfirmed, found.notes) == ("search", ("alpha", "beta"), ())


def test_settings_in_which_studies_differ_are_listed_by_study(two: Callable[..., Comparison]) -> None:
    found = two(training__epochs=12, search={"name": "random", "configs": 2, "repeats": 3})
    assert (
        found.differing
        == found.as_json()["differing_settings"]
        == {
            "training.epochs": {"alpha": 9, "beta": 12},
            "search.name": {"alpha": "grid", "beta": "random"},
            "search.configs": {"alpha": None, "beta": 2},
        }
    )


def test_studies_of_the_same_settings_differ_in_none(two: Callable[..., Comparison]) -> None:
    assert two().differing == {}


def test_the_command_names_the_study_to_confirm_and_what_the_studies_differ_in(
    told: Callable[..., str], tmp_path: Path, cache: Path, make_spec: SpecMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    from study.cli.compare import compare as command

    told(["ce"], ["tce"])
    spec = make_spec(families=["ce"], search__repeats=5, noise__rate=0.0, training__batch_size=32)
    driver = Driver(tmp_path / "home" / "study0" / "ledger.db", cache)
    driver.worker.accuracy = by_family
    driver.launch(spec)
    driver.confirm(spec)
    command(["study0", "study1"])
    said = " ".join(capsys.readouterr().out.split())
    assert "since no test score of 'study1' counts" in said
    assert "These studies differ in training.batch_size 32 (study0), 64 (study1)." in said
    assert "confirm study1" in said
    assert "confirm study0" not in said


@pytest.mark.parametrize(
    ("scale", "verdict", "scoreless"), [(1e140, "better than ce", 0), (1e300, "no score", 3), (1.7e308, "no score", 3)]
)
def test_scores_of_any_size_are_compared_or_counted_as_diverged(
    scale: float, verdict: str, scoreless: int, driver: Driver, make_spec: SpecMaker
) -> None:
    huge = {"ce": 1.0, "mse": scale}
    driver.worker.accuracy = lambda todo, epoch: huge[todo.config.trial(0)["loss"]["family"]] * (1 - 0.01 * todo.repeat)
    driver.launch(make_spec(families=["ce", "mse"], noise__rate=0.0, search__repeats=3))
    with Ledger(driver.ledger_path) as ledger:
        found = compare([("small", ledger)])
    assert verdicts(found)["mse"] == verdict
    assert rows_of(found)["mse"].entry.scoreless == scoreless
    json.loads(json.dumps(found.as_json(), allow_nan=False))
