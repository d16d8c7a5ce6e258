"""What every proposer promises, and what each one adds."""

from __future__ import annotations

import json
import math
import statistics
from typing import Any

import pytest

from study.search import Params, Proposer, make_proposer
from study.search.grid import GridProposer
from study.spec import SearchSpec
from study.spec.search import LEARNERS
from study.spec.spaces import Distribution

Space = dict[str, Any]

SAMPLERS = ("random", "quasi_random", "tpe", "gp", "cma_es")
MIXED: Space = {
    "lr": Distribution("loguniform", (1e-3, 1.0)),
    "alpha": Distribution("uniform", (0.25, 2.0)),
    "depth": Distribution("integer", (1, 8)),
    "similarity": Distribution("grid", ("lda", "uniform")),
    "fixed": 0.7,
}
FINITE: Space = {"a": Distribution("grid", (0.1, 0.2, 0.3)), "b": Distribution("integer", (1, 3)), "fixed": "x"}
SMOOTH: Space = {"lr": Distribution("loguniform", (1e-3, 1.0)), "fixed": 0.7}  # a Gaussian process is slow to fit
KINDS = [
    ("grid", FINITE, 9),
    *((name, space, size) for name in SAMPLERS if name != "gp" for space, size in ((MIXED, 12), (FINITE, 6))),
    ("gp", SMOOTH, 11),
]
CASES = [pytest.param(*kind, id=f"{kind[0]} of {kind[2]}") for kind in KINDS]
contract = pytest.mark.parametrize(("name", "space", "size"), CASES)
unlearned = pytest.mark.parametrize(("name", "space", "size"), [kind for kind in KINDS if kind[0] not in LEARNERS])


def proposer(name: str, space: Space, size: int | None, seed: int = 5) -> Proposer:
    return make_proposer(SearchSpec(name=name, configs=size), space, seed)


def score(params: Params) -> float:
    return -sum(value for value in params.values() if isinstance(value, float))


def drain(source: Proposer) -> list[Params]:
    """Every config, each told how it did before the next is asked for."""
    found = []
    while (params := source.ask()) is not None:
        found.append(params)
        source.tell(params, score(params))
    return found


class TestEveryProposer:
    @contract
    def test_gives_as_many_configs_as_it_says_and_then_none(self, name: str, space: Space, size: int) -> None:
        source = proposer(name, space, size)
        assert source.size == size
        assert len(drain(source)) == size
        assert source.ask() is None

    @contract
    def test_gives_no_config_twice(self, name: str, space: Space, size: int) -> None:
        for seed in range(5):
            found = drain(proposer(name, space, size, seed))
            assert len({json.dumps(params, sort_keys=True) for params in found}) == size

    @contract
    def test_gives_the_same_for_the_same_seed_and_results(self, name: str, space: Space, size: int) -> None:
        assert drain(proposer(name, space, size)) == drain(proposer(name, space, size))

    @contract
    def test_a_larger_search_begins_with_the_smaller_one(self, name: str, space: Space, size: int) -> None:
        assert drain(proposer(name, space, size))[: size - 3] == drain(proposer(name, space, size - 3))

    @contract
    def test_keeps_constants_and_stays_within_the_space(self, name: str, space: Space, size: int) -> None:
        for params in drain(proposer(name, space, size)):
            assert params.keys() == space.keys()
            assert params["fixed"] == space["fixed"]
            for key, allowed in space.items():
                if isinstance(allowed, Distribution) and allowed.finite:
                    assert params[key] in allowed.points()
                elif isinstance(allowed, Distribution):
                    assert allowed.values[0] <= params[key] <= allowed.values[1]

    @contract
    def test_gives_values_that_json_gives_back(self, name: str, space: Space, size: int) -> None:
        for params in drain(proposer(name, space, size)):
            assert json.loads(json.dumps(params)) == params

    @unlearned
    def test_what_can_be_foreseen_does_not_depend_on_results(self, name: str, space: Space, size: int) -> None:
        told, untold = proposer(name, space, size), proposer(name, space, size)
        assert told.foreseeable
        asked = []
        while (params := untold.ask()) is not None:
            asked.append(params)
        assert asked == drain(told)

    @contract
    def test_bears_failed_and_stopped_configs(self, name: str, space: Space, size: int) -> None:
        source = proposer(name, space, size)
        count = 0
        while (params := source.ask()) is not None:
            count += 1
            source.tell(params, None if count % 3 == 0 else score(params), stopped_at=2 if count % 3 == 1 else None)
        assert count == size

    def test_with_nothing_to_search_gives_one_config(self) -> None:
        for name in ("grid", *SAMPLERS):
            assert drain(proposer(name, {"fixed": 1}, 8)) == [{"fixed": 1}]


def test_another_seed_samples_other_configs() -> None:
    for name in SAMPLERS:
        assert drain(proposer(name, MIXED, 6, seed=1)) != drain(proposer(name, MIXED, 6, seed=2))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_lists_a_space_that_is_no_larger_than_its_sample(name: str) -> None:
    for size in (9, 50):
        source = proposer(name, FINITE, size)
        assert (source.size, drain(source)) == (9, drain(GridProposer(FINITE)))


def test_a_grid_takes_the_points_in_the_files_order_the_last_key_fastest() -> None:
    found = drain(proposer("grid", FINITE, None))
    assert [(p["a"], p["b"]) for p in found] == [(a, b) for a in (0.1, 0.2, 0.3) for b in (1, 2, 3)]
    assert drain(proposer("grid", FINITE, 4)) == found[:4]


def test_random_draws_the_same_learning_rate_for_config_i_in_every_family() -> None:
    lr = Distribution("loguniform", (0.01, 0.2))
    families = [
        {"lr": lr},
        {"lr": lr, "alpha": Distribution("grid", (0.5, 1.0, 1.5))},
        {"epsilon": Distribution("uniform", (0.0, 0.4)), "similarity": "lda", "lr": lr},
    ]
    rates = [[params["lr"] for params in drain(proposer("random", space, 8))] for space in families]
    assert rates[0] == rates[1] == rates[2]
    assert len(set(rates[0])) == 8


def test_random_draws_evenly_in_the_logarithm() -> None:
    space = {"lr": Distribution("loguniform", (1e-4, 1.0))}
    logs = [math.log10(params["lr"]) for params in drain(proposer("random", space, 400))]
    assert statistics.fmean(logs) == pytest.approx(-2, abs=0.2)


def test_quasi_random_covers_an_interval_more_evenly_than_chance() -> None:
    space = {"alpha": Distribution("uniform", (0.0, 1.0))}
    for seed in range(5):
        filled = {int(16 * params["alpha"]) for params in drain(proposer("quasi_random", space, 16, seed))}
        assert len(filled) >= 14  # 16 independent draws fill 10 of 16 on average


def test_tpe_proposes_ever_closer_to_what_scored_well() -> None:
    space = {"x": Distribution("uniform", (0.0, 1.0)), "y": Distribution("uniform", (0.0, 1.0))}
    source = proposer("tpe", space, 45)
    distances = []
    while (params := source.ask()) is not None:
        distances.append(abs(params["x"] - 0.8) + abs(params["y"] - 0.3))
        source.tell(params, -distances[-1])
    assert statistics.fmean(distances[-15:]) < 0.6 * statistics.fmean(distances[:10])


def test_tpe_proposes_all_that_it_may_where_it_has_settled_on_the_best() -> None:
    space = {key: Distribution("grid", tuple(range(6))) for key in ("a", "b")}
    for seed in range(3):
        found, source = [], proposer("tpe", space, 35, seed)
        while (params := source.ask()) is not None:
            found.append(json.dumps(params))
            source.tell(params, -abs(params["a"] - 2) - abs(params["b"] - 3))
        assert len(set(found)) == len(found) == 35


def test_tpe_proposes_recalled_configs_first_and_in_their_order() -> None:
    before = drain(proposer("tpe", MIXED, 15))
    again = proposer("tpe", MIXED, 15)
    for params in before[:14]:
        again.recall(params)
    found = [again.ask() for _ in range(15)]  # told nothing: without its memory it would propose others
    assert found[:14] == before[:14]
    assert found[14] not in before[:14]


@pytest.mark.parametrize(
    "stale",
    [{"similarity": "cosine"}, {"alpha": 9.0}, {"fixed": 0.8}, {"more": 1}, {"lr": "fast"}],
    ids=lambda stale: next(iter(stale)),
)
def test_tpe_does_not_recall_what_the_space_no_longer_holds(stale: Params) -> None:
    source, params = proposer("tpe", MIXED, 4), drain(proposer("tpe", MIXED, 1))[0] | stale
    source.recall(params)
    assert params not in drain(source)


def test_a_huge_range_of_whole_numbers_is_not_listed() -> None:
    space = {"k": Distribution("integer", (1, 10**12))}
    assert len(drain(proposer("random", space, 3))) == 3
