"""Search spaces in the words of Ray Tune and of Optuna."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.search import Params, split_space
from study.spec.spaces import Distribution, parse_searchable

JSON_MARK = "json:"  # Optuna's choices are numbers and names: a setting with options becomes a text


def to_ray_tune(space: Mapping[str, Any]) -> dict[str, Any]:
    """A family's space, as search_spaces/ holds it, for `tune.Tuner(param_space=...)`.

    Grids become `tune.grid_search`, of which Tune tries every combination; draws are made for each of `num_samples`.
    """
    from ray import tune

    def translated(value: Any) -> Any:
        parsed = parse_searchable(value)
        if not isinstance(parsed, Distribution):
            return parsed
        match parsed.kind:
            case "grid":
                return tune.grid_search(list(parsed.values))
            case "integer":
                return tune.randint(parsed.values[0], parsed.values[1] + 1)  # Tune leaves the upper end out
            case "loguniform":
                return tune.loguniform(*parsed.values)
            case _:
                return tune.uniform(*parsed.values)

    return {key: translated(value) for key, value in space.items()}


def optuna_distribution(distribution: Distribution) -> Any:
    """A distribution as one of Optuna's."""
    from optuna import distributions

    match distribution.kind:
        case "grid":
            return distributions.CategoricalDistribution([to_optuna(value) for value in distribution.values])
        case "integer":
            return distributions.IntDistribution(*distribution.values)
        case kind:
            return distributions.FloatDistribution(*distribution.values, log=kind == "loguniform")


def to_optuna(value: Any) -> Any:
    """A setting as one of Optuna's choices."""
    return JSON_MARK + json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def from_optuna(value: Any) -> Any:
    """What `to_optuna` made into a choice."""
    return json.loads(value.removeprefix(JSON_MARK)) if str(value).startswith(JSON_MARK) else value


@dataclass(frozen=True)
class OptunaSpace:
    """A cell's space as Optuna has it: `distributions` of what is searched; `constants` are the rest of a config."""

    described: str
    constants: Params
    distributions: dict[str, Any]

    @classmethod
    def of(cls, space: Mapping[str, Any]) -> OptunaSpace:
        """The space of a cell."""
        constants, searched = split_space(dict(space))
        return cls(str(space), constants, {key: optuna_distribution(value) for key, value in searched.items()})

    def params(self, searched: Mapping[str, Any]) -> Params:
        """The config of what Optuna searched."""
        return self.constants | {key: from_optuna(value) for key, value in searched.items()}

    def searched(self, params: Params) -> Params | None:
        """The part of a config that Optuna searches, in its words; None for one that the space does not hold."""
        if params.keys() != self.constants.keys() | self.distributions.keys():
            return None
        searched = {key: to_optuna(value) for key, value in params.items() if key in self.distributions}
        held = self.constants.items() <= params.items() and all(map(self._holds, searched, searched.values()))
        return searched if held else None

    def _holds(self, key: str, value: Any) -> bool:
        distribution = self.distributions[key]
        try:
            return bool(distribution._contains(distribution.to_internal_repr(value)))
        except ValueError:  # not one of a grid's points
            return False


def suggest(trial: Any, spaces: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Define-by-run for Optuna: choose one of the families in `spaces`, then from its own space alone.

    Returns `{"family": name, hyperparameter: value, ...}`. In the Optuna trial a hyperparameter is called
    `family.hyperparameter`, so that families with one of the same name do not mix.
    """
    family = trial.suggest_categorical("family", list(spaces))
    searched = {key: parse_searchable(value) for key, value in spaces[family].items()}
    return {"family": family} | {key: _suggest(trial, f"{family}.{key}", value) for key, value in searched.items()}


def _suggest(trial: Any, name: str, value: Any) -> Any:
    if not isinstance(value, Distribution):
        return value
    match value.kind:
        case "grid":
            return from_optuna(trial.suggest_categorical(name, [to_optuna(point) for point in value.values]))
        case "integer":
            return trial.suggest_int(name, *value.values)
        case kind:
            return trial.suggest_float(name, *value.values, log=kind == "loguniform")
