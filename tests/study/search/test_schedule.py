"""ASHA keeps the best share at each rung; no scheduler keeps everyone."""

from __future__ import annotations

import random

import pytest

from study.schedule import make_pruner
from study.schedule.asha import AshaPruner
from study.schedule.median import MedianPruner
from study.schedule.none import NoPruner
from tests.study.conftest import ASHA, SpecMaker


@pytest.mark.parametrize(
    ("grace", "reduction", "epochs", "rungs"),
    [
        (1, 3, 9, [1, 3]),  # the last epoch decides nothing
        (1, 3, 10, [1, 3, 9]),
        (4, 3, 15, [4, 12]),
        (4, 3, 13, [4, 12]),
        (2, 2, 30, [2, 4, 8, 16]),
        (1, 1.5, 6, [1, 2, 3, 4]),
        (5, 3, 5, []),
    ],
)
def test_rungs_are_grace_times_powers_of_reduction_below_the_last_epoch(
    grace: int, reduction: float, epochs: int, rungs: list[int]
) -> None:
    assert AshaPruner(grace, reduction, epochs).decisions() == rungs


def judge(pruner: AshaPruner, scores: dict[str, float], epoch: int) -> dict[str, bool]:
    return {key: pruner.goes_on(key, epoch, score) for key, score in scores.items()}


def test_asha_stops_the_worst_and_keeps_the_best() -> None:
    best_first = {f"t{i}": 0.9 - 0.1 * i for i in range(6)}
    fates = judge(AshaPruner(1, 3, 9), best_first, 1)
    assert fates["t0"]
    assert [key for key, goes_on in fates.items() if not goes_on][-2:] == ["t4", "t5"]


def test_asha_keeps_whoever_is_best_so_far() -> None:
    worst_first = {f"t{i}": 0.1 + 0.1 * i for i in range(6)}
    assert all(judge(AshaPruner(1, 3, 9), worst_first, 1).values())


def test_asha_keeps_about_one_in_reduction() -> None:
    shuffled = [i / 90 for i in range(90)]
    random.Random(0).shuffle(shuffled)
    fates = judge(AshaPruner(1, 3, 9), {f"t{i}": score for i, score in enumerate(shuffled)}, 1)
    assert 25 <= sum(fates.values()) <= 45


def test_each_rung_is_judged_by_itself() -> None:
    pruner = AshaPruner(1, 3, 9)
    judge(pruner, {"a": 0.9, "b": 0.95, "c": 0.99}, 1)
    assert pruner.goes_on("a", 3, 0.5)  # the first to arrive there


def test_told_again_from_records_it_decides_alike() -> None:
    rng = random.Random(1)
    told = {f"t{i}": rng.random() for i in range(12)}
    new = [(f"n{i}", rng.random()) for i in range(12)]

    def continued(order: list[str]) -> list[bool]:
        pruner = AshaPruner(1, 3, 9)
        for key in order:
            pruner.goes_on(key, 1, told[key])
        return [pruner.goes_on(key, 1, score) for key, score in new]

    as_it_was, as_recorded = continued(list(told)), continued(sorted(told, reverse=True))
    assert as_it_was == as_recorded
    assert {True, False} == set(as_it_was)


def test_the_study_file_picks_the_pruner_and_a_lone_config_is_never_stopped(make_spec: SpecMaker) -> None:
    asha, none = make_spec(scheduler=ASHA), make_spec()
    assert make_pruner(asha, 3, 9).decisions() == [1, 3]
    assert make_pruner(none, 3, 9).decisions() == []
    lone = make_pruner(asha, 1, 9)
    assert isinstance(lone, NoPruner)
    assert lone.goes_on("only", 1, float("-inf"))


# -- median -----------------------------------------------------------------------------------------------------------


def climb(pruner: MedianPruner, key: str, scores: list[float]) -> int:
    """The epoch at which a trial with these scores, the first at epoch 1, is stopped; 0 where it is not."""
    for epoch, score in enumerate(scores, 1):
        if epoch in pruner.decisions() and not pruner.goes_on(key, epoch, score):
            return epoch
    return 0


def test_median_decides_every_so_many_epochs_from_its_grace_on() -> None:
    assert MedianPruner(2, 3, 3, 12).decisions() == [2, 5, 8, 11]
    assert MedianPruner(1, 1, 3, 4).decisions() == [1, 2, 3]


def test_median_stops_a_best_score_below_the_median_of_the_others_means() -> None:
    pruner = MedianPruner(1, 1, 3, 9)
    others = {"a": 0.2, "b": 0.4, "c": 0.6}
    assert [climb(pruner, key, [score] * 8) for key, score in others.items()] == [0, 0, 0]
    assert climb(pruner, "below", [0.3, 0.39, 0.5]) == 1
    assert climb(pruner, "once above", [0.41, 0.1, 0.1, 0.1]) == 0  # its best counts


def test_median_waits_for_enough_others() -> None:
    pruner = MedianPruner(1, 1, 3, 9)
    assert [climb(pruner, key, [0.5] * 8) for key in "ab"] == [0, 0]
    assert climb(pruner, "c", [0.1] * 8) == 0
    assert climb(pruner, "d", [0.1] * 8) == 1


def test_median_means_are_over_the_epochs_so_far() -> None:
    pruner = MedianPruner(1, 1, 3, 9)
    for key in "abc":
        climb(pruner, key, [0.1, 0.3, 0.5, 0.7])  # means 0.1, 0.2, 0.3, 0.4
    assert climb(pruner, "d", [0.15, 0.25, 0.29]) == 3
