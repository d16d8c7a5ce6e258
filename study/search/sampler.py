"""Optuna's samplers behind ask and tell."""

from __future__ import annotations

import json
import warnings
from typing import Any

from study.search import Params, split_space
from study.search.random import RandomProposer
from study.search.translate import from_optuna, optuna_distribution, to_optuna

ATTEMPTS = 20  # draws in search of a config that was not drawn before


class SamplerProposer:
    """`size` distinct configs from an Optuna sampler: `quasi_random` (Sobol) or `tpe`.

    A sampler that comes back to the same points again and again, as TPE does in a small finite space once it knows the
    good ones, is helped out by a random draw.
    """

    def __init__(self, name: str, space: dict[str, Any], size: int, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = {
                "quasi_random": lambda: optuna.samplers.QMCSampler(seed=seed, warn_independent_sampling=False),
                "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
            }[name]()
        self.size, self.foreseeable = size, name != "tpe"
        self._constants, searched = split_space(space)
        self._distributions = {key: optuna_distribution(value) for key, value in searched.items()}
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._asked: dict[str, Any] = {}
        self._elsewhere = RandomProposer(space, size + 1, seed)  # one more than asked for is one that is new

    def ask(self) -> Params | None:
        if len(self._asked) >= self.size:
            return None
        for _ in range(ATTEMPTS):
            trial = self._study.ask(self._distributions)
            params = self._params(trial)
            if _identity(params) not in self._asked:
                return self._keep(trial)
            self._study.tell(trial, state=_state("FAIL"))
        return self._draw_elsewhere()

    def _draw_elsewhere(self) -> Params | None:
        while (params := self._elsewhere.ask()) is not None:
            if _identity(params) not in self._asked:
                self._study.enqueue_trial(self._chosen(params))
                return self._keep(self._study.ask(self._distributions))
        return None

    def _keep(self, trial: Any) -> Params:
        params = self._params(trial)
        self._asked[_identity(params)] = trial
        return params

    def _params(self, trial: Any) -> Params:
        return self._constants | {key: from_optuna(value) for key, value in trial.params.items()}

    def _chosen(self, params: Params) -> Params:
        return {key: to_optuna(value) for key, value in params.items() if key in self._distributions}

    def recall(self, params: Params) -> bool:
        if self.foreseeable or params.keys() != self._constants.keys() | self._distributions.keys():
            return False
        searched = self._chosen(params)
        if not (self._constants.items() <= params.items() and all(map(self._holds, searched, searched.values()))):
            return False
        self._study.enqueue_trial(searched)
        return True

    def _holds(self, key: str, value: Any) -> bool:
        distribution = self._distributions[key]
        try:
            return bool(distribution._contains(distribution.to_internal_repr(value)))
        except ValueError:  # not one of a grid's points
            return False

    def tell(self, params: Params, score: float | None, *, pruned: bool = False) -> None:
        trial = self._asked.get(_identity(params))
        if trial is None:
            return
        if score is None:
            self._study.tell(trial, state=_state("FAIL"), skip_if_finished=True)
        elif pruned:
            trial.report(score, step=0)
            self._study.tell(trial, state=_state("PRUNED"), skip_if_finished=True)
        else:
            self._study.tell(trial, score, skip_if_finished=True)


def _identity(params: Params) -> str:
    return json.dumps(params, sort_keys=True)


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]
