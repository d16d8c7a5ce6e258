"""What a study asks for: spec -> tasks -> cells -> configs -> trials, each with a key.

A key is a hash of everything that determines the numbers behind it and of nothing else: not of the study's name, its
scheduler, its resources, nor of the machine. The same key is the same trial, and is never run twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.search import Params, Proposer, make_proposer
from study.spaces import Distribution, as_real
from study.spec import DatasetSpec, FamilySpec, ModelSpec, StudySpec, TrainingSpec
from trainables.augmentation import resolve_augment
from trainables.data.datasets import load_pool
from trainables.data.task import load_task
from trainables.losses.families import Integer, Similarity, get_family
from trainables.losses.families.own import is_own, source_digest
from trainables.models import MODELS
from trainables.normalisation import complete_normalisation
from trainables.seeds import derive_seed
from trainables.similarity import identity
from trainables.similarity.resolve import resolve
from trainables.trial import Trial, trial_seeds

KEY_FORMAT = 1  # raised when the engine changes what the same description trains to
UNMENTIONED = {"augment": [], "normalise": {"name": "channel"}}


def key_of(value: Any) -> str:
    """16 hex digits of the canonical JSON of `value`."""
    text = json.dumps([KEY_FORMAT, value], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Task:
    """Data set x noise x network: what the families of a study are compared on."""

    dataset: DatasetSpec
    digest: str
    noise_kind: str
    noise_rate: float
    model: ModelSpec

    @property
    def noise(self) -> str:
        """Its noise in a word: `clean`, or kind and rate."""
        return f"{self.noise_kind} {self.noise_rate:g}" if self.noise_rate else "clean"

    @property
    def model_name(self) -> str:
        """Its network in a word, with the arguments that the study file gives."""
        extra = self.model.model_extra or {}
        return " ".join([self.model.name, *(f"{key}={value}" for key, value in extra.items())])

    @property
    def title(self) -> str:
        """`digits, uniform 0.4, small_cnn`."""
        return f"{self.dataset.name}, {self.noise}, {self.model_name}"


@dataclass(frozen=True)
class Config:
    """One point of a cell's search space."""

    cell: Cell
    number: int
    params: Params

    @cached_property
    def key(self) -> str:
        """Hash of what all repeats of this config share."""
        described = self._trial(None)
        return key_of(_counts(described) | {"monitor": described["monitor"]})

    def trial(self, repeat: int) -> Trial:
        """The full description of one of its trials."""
        return self._trial(repeat)

    def trial_key(self, repeat: int) -> str:
        """The key of one of its trials."""
        if repeat not in self._trial_keys:
            self._trial_keys[repeat] = key_of(_counts(self._trial(repeat)))
        return self._trial_keys[repeat]

    @cached_property
    def _trial_keys(self) -> dict[int, str]:
        return {}

    def _trial(self, repeat: int | None) -> Trial:
        spec, task, family = self.cell.spec, self.cell.task, self.cell.family.family
        loss = {k: v for k, v in self.params.items() if not k.startswith("training.")}
        seeds = trial_seeds(spec.seed, repeat) if repeat is not None else {"noise": 0}
        noise = {"kind": task.noise_kind, "rate": task.noise_rate, "seed": seeds.pop("noise")}
        return {
            "dataset": {"name": task.dataset.name, "digest": task.digest},
            "split": {"holdout": task.dataset.holdout, "seed": derive_seed(spec.seed, "split")},
            "noise": noise,
            "model": {"name": task.model.name, **MODELS[task.model.name].arguments, **(task.model.model_extra or {})},
            "loss": {"family": family, **_settled(family, loss)},
            **({"code": source_digest(family)} if is_own(family) else {}),
            "training": resolve_training(spec.training, self.params, task.dataset.name),
            "seeds": seeds,
            "monitor": {"metric": spec.select.monitor, "mode": spec.select.mode},
        }


@dataclass(frozen=True)
class Cell:
    """Task x family: configs of one cell compete with one another."""

    spec: StudySpec
    task: Task
    family: FamilySpec

    @cached_property
    def key(self) -> str:
        """Hash of task and family label; the search space may grow without changing it."""
        task = self.task
        return key_of(
            [
                task.dataset.name, task.digest, task.dataset.holdout, task.noise_kind, task.noise_rate,
                task.model.model_dump(), self.family.name, self.family.family,
            ]
        )  # fmt: skip

    @property
    def name(self) -> str:
        """What tables call its family."""
        return self.family.name

    @cached_property
    def space(self) -> dict[str, Any]:
        """Everything that is searched or fixed for this family; shared training settings first."""
        optimizer = self.spec.training.optimizer
        shared = {"lr": optimizer.lr, "weight_decay": optimizer.weight_decay}
        searched = {f"training.optimizer.{k}": v for k, v in shared.items() if isinstance(v, Distribution)}
        return searched | self.family.full_space()

    def proposer(self) -> Proposer:
        """A fresh proposer, at config 0."""
        return make_proposer(self.spec.search, self.space, derive_seed(self.spec.seed, "search") % 2**32)

    @cached_property
    def configs(self) -> list[Config]:
        """Its configs as far as they can be foreseen; none where they depend on results."""
        proposer = self.proposer()
        if not proposer.foreseeable:
            return []
        return [Config(self, number, params) for number, params in enumerate(_all(proposer))]

    @cached_property
    def num_configs(self) -> int:
        """How many configs it has, at the most."""
        return len(self.configs) or self.proposer().size


@dataclass(frozen=True)
class Plan:
    """All cells of a study."""

    spec: StudySpec
    cells: tuple[Cell, ...]

    @property
    def num_trials(self) -> int:
        """How many trials the study has where none is stopped early."""
        return sum(cell.num_configs for cell in self.cells) * self.spec.search.repeats


def make_plan(spec: StudySpec, cache: Path) -> Plan:
    """The plan of a study; decodes its data sets into `cache` on first use.

    StudyError where a split does not fit the data.
    """
    tasks = [
        Task(dataset, load_pool(dataset.name, cache).digest, spec.noise.kind, rate, model)
        for dataset in spec.dataset
        for rate in spec.noise.rate
        for model in spec.model
    ]
    seeds = trial_seeds(spec.seed, 0)
    for task in tasks:
        split = {"holdout": task.dataset.holdout, "seed": derive_seed(spec.seed, "split")}
        noise = {"kind": task.noise_kind, "rate": task.noise_rate, "seed": seeds["noise"]}
        try:
            load_task({"name": task.dataset.name}, split, noise, cache)
        except ValueError as problem:
            raise StudyError(f"dataset {task.dataset.name}: {problem}") from None
    return Plan(spec, tuple(Cell(spec, task, family) for task in tasks for family in spec.families))


def resolve_training(training: TrainingSpec, params: Params, dataset: str) -> dict[str, Any]:
    """The training of one config: searched settings replaced by their values, checked once more as a whole.

    Augmentation and normalisation are written out, as the data set's standard has them.
    """
    values = training.model_dump()
    for key, value in params.items():
        if key.startswith("training."):
            *parents, last = key.split(".")[1:]
            holder = values
            for parent in parents:
                holder = holder[parent]
            holder[last] = value
    try:
        resolved = TrainingSpec.model_validate(values).model_dump()
        resolved["augment"] = resolve_augment(resolved["augment"], dataset)
        resolved["normalise"] = complete_normalisation(resolved["normalise"])
        return resolved
    except ValueError as problem:
        raise StudyError(f"config {json.dumps(params)} does not make a valid training: {problem}") from None


def _settled(family: str, loss: Params) -> dict[str, Any]:
    """The loss's hyperparameters, completed, so that one setting has one spelling and one key.

    1 where a real number is asked for is 1.0, a similarity has all its options, and its file's digest.
    """
    known, settled = get_family(family).hyperparameters, {}
    for key, value in get_family(family).settle(loss).items():
        kind = known[key]
        if isinstance(kind, Similarity) and not (isinstance(value, str) and value in kind.without_options):
            settled[key] = _settled_similarity(json.dumps(value))
        else:
            settled[key] = value if isinstance(kind, Integer) else as_real(value)
    return settled


@cache
def _settled_similarity(value: str) -> dict[str, Any]:
    try:
        return resolve(json.loads(value))
    except ValueError as problem:
        raise StudyError(str(problem)) from None


def _counts(trial: Trial) -> Trial:
    """What determines a trial's numbers: not which epoch is kept of it, nor where a similarity's file lies.

    Of augmentation and normalisation what differs from a trial that does not mention them.
    """
    training = {key: value for key, value in trial["training"].items() if value != UNMENTIONED.get(key, ...)}
    loss = {key: identity(value) if isinstance(value, dict) else value for key, value in trial["loss"].items()}
    return {key: value for key, value in trial.items() if key != "monitor"} | {"training": training, "loss": loss}


def _all(proposer: Proposer) -> Iterator[Params]:
    while (params := proposer.ask()) is not None:
        yield params
