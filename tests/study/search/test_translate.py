"""Search spaces in the words of Ray Tune and of Optuna."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from search_spaces import get_space, space_names
from study.search.translate import from_optuna, optuna_distribution, suggest, to_optuna, to_ray_tune
from study.spec.spaces import parse_searchable

SPACES: dict[str, dict[str, Any]] = {
    "tce": {"alpha": {"uniform": [0.5, 2.0]}},
    "mcel": {"epsilon": {"grid": [0.1, 0.3]}, "similarity": {"grid": ["lda", {"name": "order", "r": 0.3}]}},
    "taylor_ce": {"order": {"integer": [2, 6]}},
    "ce": {},
}


def test_grids_and_intervals_are_ray_tunes() -> None:
    from ray.tune.search.variant_generator import generate_variants

    grid = to_ray_tune(SPACES["mcel"])
    variants = [config for _, config in generate_variants(grid)]
    assert len(variants) == 4
    assert {"epsilon": 0.3, "similarity": {"name": "order", "r": 0.3}} in variants
    drawn = {to_ray_tune(SPACES["taylor_ce"])["order"].sample() for _ in range(200)}
    assert drawn == {2, 3, 4, 5, 6}
    alpha = to_ray_tune(SPACES["tce"])["alpha"]
    assert (alpha.lower, alpha.upper) == (0.5, 2.0)
    assert to_ray_tune({"similarity": "lda"}) == {"similarity": "lda"}


@pytest.mark.parametrize("family", space_names())
def test_every_shipped_space_is_translated(family: str) -> None:
    space = get_space(family)
    assert to_ray_tune(space).keys() == space.keys()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    assert suggest(study.ask(), {family: space}).keys() == {"family", *space}


def test_a_family_is_asked_for_its_own_hyperparameters_alone() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(60):
        trial = study.ask()
        chosen = suggest(trial, SPACES)
        assert chosen.keys() == {"family", *SPACES[chosen["family"]]}
        assert all(name == "family" or name.startswith(f"{chosen['family']}.") for name in trial.params)
        study.tell(trial, 0.0)
        seen.add(chosen["family"])
    assert seen == set(SPACES)


def test_a_setting_with_options_survives_optuna() -> None:
    setting = {"name": "lda", "sharpness": "exp", "tau": 0.1}
    assert from_optuna(to_optuna(setting)) == setting
    distribution = optuna_distribution(parse_searchable({"grid": ["lda", setting]}))
    assert [from_optuna(choice) for choice in distribution.choices] == ["lda", setting]
