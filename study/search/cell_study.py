"""A cell's search as an Optuna study: its trials, and the sampler that proposes them."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from typing import Any

from study.search import Params
from study.search.record import Part
from study.search.translate import OptunaSpace
from trainables.seeds import derive_seed

# Marks of trials, which optuna-dashboard shows:
LEARNT_FROM = "from study"  # a result of another study
REPEATED = "repeated"  # the sampler came back to a config that it had proposed; it did not diverge
LEFT = "left unfinished"  # by a launch that died before the ledger knew of it


class CellStudy:
    """The Optuna study of one cell, in memory or in a `part` of the study's record.

    ValueError, or whatever Optuna makes of it, where the record holds what was never written to it.
    """

    def __init__(self, sampler: str, space: OptunaSpace, seed: int, part: Part | None) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        kind = hashlib.sha256(f"{sampler} {space.described}".encode()).hexdigest()[:6]  # another space, another study
        self._space = space
        self._study = optuna.create_study(
            direction="maximize",
            storage=part and part.record.storage,
            study_name=part and f"{part.name} ({sampler} {kind})",
            load_if_exists=True,
        )
        self._storage = self._study._storage
        # Of one config's trials the last that did not fail counts: an ask that came back to a known one was failed.
        past = sorted(self._study.get_trials(deepcopy=False), key=lambda trial: trial.state.name != "FAIL")
        self._check(past)
        self._study.sampler = _sampler(sampler, derive_seed(seed, len(past)) % 2**32 if past else seed)
        learnt, own = ([t for t in past if (LEARNT_FROM in t.user_attrs) is other] for other in (True, False))
        self._learnt = {identity(space.params(trial.params)) for trial in learnt}
        self._past = {identity(space.params(t.params)): t._trial_id for t in own if t.state.name != "WAITING"}
        self._unclaimed = {trial._trial_id for trial in past if trial.state.name == "RUNNING"}
        for trial in past:
            if trial.state.name == "WAITING":  # an older version queued a config and died before it took it up
                self._fail(trial._trial_id, LEFT)

    def ask(self) -> tuple[int, Params]:
        """A trial that the sampler proposes, and its config."""
        trial = self._study.ask(self._space.distributions)
        return trial._trial_id, self._space.params(trial.params)

    def enter(self, params: Params) -> int:
        """The trial of a config that the sampler did not just propose: the one in the record, or else a new one."""
        known = self._past.pop(identity(params), None)
        if known is None:  # in one write, so that a launch that dies leaves no half of it
            return self._storage.create_new_trial(self._study._study_id, self._trial(params, "RUNNING"))
        self._unclaimed.discard(known)
        return known

    def repeated(self, trial_id: int) -> None:
        """The sampler came back to a config that was asked for before."""
        self._fail(trial_id, REPEATED)

    def tell(self, trial_id: int, params: Params, score: float | None, stopped_at: int | None) -> None:
        """How the trial of a config did."""
        trial = self._storage.get_trial(trial_id)
        given_up = trial.state.name in ("PRUNED", "FAIL")  # by an earlier launch, perhaps under other rules
        if given_up and score is not None and stopped_at is None:
            self._study.add_trial(self._trial(params, "COMPLETE", score))
        elif trial.state.name != "RUNNING":
            pass
        elif score is None:
            self._study.tell(trial.number, state=_state("FAIL"))
        elif stopped_at is not None:
            self._storage.set_trial_intermediate_value(trial_id, stopped_at, score)
            self._study.tell(trial.number, state=_state("PRUNED"))
        else:
            self._study.tell(trial.number, score)

    def learn(self, params: Params, score: float, stopped_at: int | None, source: str) -> None:
        """Enter a result of the study `source`, once."""
        if identity(params) not in self._learnt:
            state = "COMPLETE" if stopped_at is None else "PRUNED"
            self._study.add_trial(self._trial(params, state, score, stopped_at, {LEARNT_FROM: source}))
            self._learnt.add(identity(params))

    def forget(self) -> None:
        """Give up what the record calls running and nobody entered: its launch died before the ledger knew of it."""
        for trial_id in sorted(self._unclaimed):
            self._fail(trial_id, LEFT)
        self._unclaimed.clear()
        self._past.clear()

    def _fail(self, trial_id: int, mark: str) -> None:
        self._storage.set_trial_user_attr(trial_id, mark, True)
        self._storage.set_trial_state_values(trial_id, _state("FAIL"))

    def _trial(
        self,
        params: Params,
        state: str,
        score: float | None = None,
        stopped_at: int | None = None,
        marks: dict[str, Any] | None = None,
    ) -> Any:
        from optuna.trial import create_trial

        searched = self._space.searched(params)
        assert searched is not None, "the space holds what is recalled, learnt and drawn"
        return create_trial(
            state=_state(state),
            params=searched,
            distributions=self._space.distributions,
            value=score,
            intermediate_values={} if stopped_at is None or score is None else {stopped_at: score},
            user_attrs=marks or {},
        )

    def _check(self, trials: list[Any]) -> None:
        """What Optuna takes without a word, and a sampler stumbles over later or is misled by."""
        if self._study.direction.name != "MAXIMIZE":
            raise ValueError("scores are entered so that more is better")
        for trial in trials:
            trial._validate()
            if not trial.distributions.items() <= self._space.distributions.items():
                raise ValueError(f"trial {trial.number} is of another space")
            wanted = {"COMPLETE": (1,), "PRUNED": (0, 1)}.get(trial.state.name)
            scores = trial.values or []
            if wanted and (len(scores) not in wanted or trial.params.keys() != self._space.distributions.keys()):
                raise ValueError(f"trial {trial.number} has not one score, or not every value")
            if not all(map(math.isfinite, scores)):
                raise ValueError(f"trial {trial.number} scores {scores}")


def identity(params: Params) -> str:
    """A config as a text by which it is known again."""
    return json.dumps(params, sort_keys=True)


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


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]
