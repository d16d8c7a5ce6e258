"""Optuna's samplers behind ask and tell."""

from __future__ import annotations

import hashlib
import json
import warnings
from typing import Any

from study.search import Params, split_space
from study.search.random import RandomProposer
from study.search.record import Part
from study.search.translate import from_optuna, optuna_distribution, to_optuna
from trainables.seeds import derive_seed

ATTEMPTS = 20  # draws in search of a config that was not drawn before
LEARNT_FROM = "from study"  # marks results of another study


class SamplerProposer:
    """`size` distinct configs from an Optuna sampler: `quasi_random` (Sobol), `tpe`, `gp` or `cma_es`.

    A sampler that comes back to the same points again and again, as TPE does in a small finite space once it knows the
    good ones, is helped out by a random draw. With a `part` of the study's record it goes on from what it was told in
    earlier launches.
    """

    def __init__(self, name: str, space: dict[str, Any], size: int, seed: int, part: Part | None = None) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.size, self.foreseeable = size, name == "quasi_random"
        self._constants, searched = split_space(space)
        self._distributions = {key: optuna_distribution(value) for key, value in searched.items()}
        kind = hashlib.sha256(f"{name} {space}".encode()).hexdigest()[:6]  # another space is another Optuna study
        self._study = optuna.create_study(
            direction="maximize",
            storage=part and part.storage,
            study_name=part and f"{part.name} ({name} {kind})",
            load_if_exists=True,
        )
        # Of one config's trials the last that did not fail counts: an ask that came back to a known one was failed.
        past = sorted(self._study.get_trials(deepcopy=False), key=lambda trial: trial.state.name != "FAIL")
        self._study.sampler = _sampler(name, derive_seed(seed, len(past)) % 2**32 if past else seed)
        self._past = {_identity(self._params(trial)): trial for trial in past if LEARNT_FROM not in trial.user_attrs}
        self._learnt = {_identity(self._params(trial)) for trial in past if LEARNT_FROM in trial.user_attrs}
        self._recalled: dict[str, Params] = {}
        self._asked: dict[str, Any] = {}
        self._elsewhere = RandomProposer(space, size + 1, seed)  # one more than asked for is one that is new

    def ask(self) -> Params | None:
        if len(self._asked) >= self.size:
            return None
        while self._recalled:
            identity = next(iter(self._recalled))
            params = self._recalled.pop(identity)
            if identity not in self._asked:
                self._asked[identity] = self._again(params)
                return params
        self._forget()
        for _ in range(ATTEMPTS):
            trial = self._study.ask(self._distributions)
            params = self._params(trial)
            if _identity(params) not in self._asked:
                self._asked[_identity(params)] = trial
                return params
            self._study.tell(trial, state=_state("FAIL"))
        return self._draw_elsewhere()

    def recall(self, params: Params) -> bool:
        if self.foreseeable or self._searched(params) is None or _identity(params) in self._recalled:
            return False
        self._recalled[_identity(params)] = params
        return True

    def tell(self, params: Params, score: float | None, *, stopped_at: int | None = None) -> None:
        trial = self._asked.get(_identity(params))
        if trial is None:
            return
        before = self._study._storage.get_trial(trial._trial_id).state.name
        given_up = before in ("PRUNED", "FAIL")  # by an earlier launch, perhaps under other rules
        if given_up and score is not None and stopped_at is None:
            self._study.add_trial(_ended(self._searched(params) or {}, self._distributions, score))
        elif before != "RUNNING":
            pass
        elif score is None:
            self._study.tell(trial, state=_state("FAIL"))
        elif stopped_at is not None:
            trial.report(score, step=stopped_at)
            self._study.tell(trial, state=_state("PRUNED"))
        else:
            self._study.tell(trial, score)

    def learn(self, params: Params, score: float, source: str) -> bool:
        """Enter a result of the study `source`, once; whether this space holds its config."""
        searched = self._searched(params)
        if searched is None:
            return False
        if _identity(params) not in self._learnt:
            self._learnt.add(_identity(params))
            self._study.add_trial(_ended(searched, self._distributions, score, {LEARNT_FROM: source}))
        return True

    def _params(self, trial: Any) -> Params:
        return self._constants | {key: from_optuna(value) for key, value in trial.params.items()}

    def _searched(self, params: Params) -> Params | None:
        """The part of a config that Optuna searches, in its words; None for one that the space does not hold."""
        if params.keys() != self._constants.keys() | self._distributions.keys():
            return None
        searched = {key: to_optuna(value) for key, value in params.items() if key in self._distributions}
        held = self._constants.items() <= params.items() and all(map(self._holds, searched, searched.values()))
        return searched if held else None

    def _holds(self, key: str, value: Any) -> bool:
        distribution = self._distributions[key]
        try:
            return bool(distribution._contains(distribution.to_internal_repr(value)))
        except ValueError:  # not one of a grid's points
            return False

    def _again(self, params: Params) -> Any:
        """The Optuna trial of a config of an earlier launch: the one in the record, or a new one of it."""
        from optuna.trial import Trial

        known = self._past.pop(_identity(params), None)
        if known is not None:
            return Trial(self._study, known._trial_id)
        self._study.enqueue_trial(self._searched(params) or {})
        return self._study.ask(self._distributions)

    def _draw_elsewhere(self) -> Params | None:
        while (params := self._elsewhere.ask()) is not None:
            if _identity(params) not in self._asked:
                self._asked[_identity(params)] = self._again(params)
                return params
        return None

    def _forget(self) -> None:
        """Give up what the record calls running and the ledger does not know: its launch died in between."""
        for trial in self._past.values():
            if not trial.state.is_finished():
                self._study.tell(trial.number, state=_state("FAIL"))
        self._past.clear()


def _sampler(name: str, seed: int) -> Any:
    import optuna

    samplers = {
        "quasi_random": lambda: optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False),
        "cma_es": lambda: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return samplers[name]()


def _ended(searched: Params, distributions: dict[str, Any], score: float, marks: dict[str, Any] | None = None) -> Any:
    from optuna.trial import create_trial

    return create_trial(params=searched, distributions=distributions, value=score, user_attrs=marks or {})


def _identity(params: Params) -> str:
    return json.dumps(params, sort_keys=True)


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]
