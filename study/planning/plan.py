"""What a study asks for: spec -> tasks -> cells -> configs -> trials, each with a key.

The same key (`study/records/keys.py`) is the same trial, and is never run twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.planning.noises import TaskNoise, task_noises
from study.records.keys import counts, key_of
from study.schedule import Pruner, make_pruner
from study.search import Params, Proposer, make_proposer
from study.search.record import Record
from study.spec import DatasetSpec, FamilySpec, ModelSpec, StudySpec, TrainingSpec
from study.spec.spaces import Distribution, as_real, points_of
from trainables.augmentation import resolve_augment
from trainables.data.datasets import load_pool, located
from trainables.data.noise import CLEAN
from trainables.data.task import load_task
from trainables.losses.families import Integer, Similarity, get_family
from trainables.normalisation import complete_normalisation
from trainables.own import is_own, source_digest
from trainables.seeds import derive_seed
from trainables.similarity import identity
from trainables.similarity.resolve import resolve
from trainables.trial import SEARCH, Trial, trial_seeds


@dataclass(frozen=True)
class Task:
    """Data set x noise x network: what the families of a study are compared on."""

    dataset: DatasetSpec
    digest: str
    noise: TaskNoise
    model: ModelSpec
    num_train: int = 0  # training images, of the split that every repeat has

    @property
    def model_name(self) -> str:
        """Its network in a word, with the arguments that the study file gives."""
        extra = self.model.model_extra or {}
        return " ".join([self.model.name, *(f"{key}={value}" for key, value in extra.items())])

    @property
    def title(self) -> str:
        """`digits, uniform 0.4, small_cnn`."""
        return f"{self.dataset.title}, {self.noise.name}, {self.model_name}"

    @cached_property
    def source(self) -> dict[str, Any]:
        """Its data set as a trial describes it: with the digest by which every worker finds it."""
        return located(self.dataset.described) | {"digest": self.digest}


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
        return key_of(counts(described) | {"monitor": described["monitor"]})

    def trial(self, repeat: int, phase: str = SEARCH) -> Trial:
        """The full description of one of its trials; another phase has other seeds."""
        return self._trial(repeat, phase)

    def trial_key(self, repeat: int) -> str:
        """The key of one of its trials."""
        if repeat not in self._trial_keys:
            self._trial_keys[repeat] = key_of(counts(self._trial(repeat)))
        return self._trial_keys[repeat]

    @cached_property
    def _trial_keys(self) -> dict[int, str]:
        return {}

    def _trial(self, repeat: int | None, phase: str = SEARCH) -> Trial:
        spec, task, family = self.cell.spec, self.cell.task, self.cell.family.family
        loss = {k: v for k, v in self.params.items() if not k.startswith("training.")}
        seeds = trial_seeds(spec.seed, repeat, phase) if repeat is not None else {"noise": 0}
        noise = task.noise.seeded(seeds.pop("noise"))
        return {
            "dataset": task.source,
            "split": {"holdout": task.dataset.holdout, "seed": derive_seed(spec.seed, "split")},
            "noise": noise,
            "model": task.model.completed,
            "loss": {"family": family, **_settled(family, loss)},
            **({"code": _code(family)} if is_own(family) else {}),
            **({"model_code": _code(task.model.name)} if is_own(task.model.name) else {}),
            "training": resolve_training(spec.training, self.params, task),
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
                task.dataset.title, task.digest, task.dataset.holdout, identity(task.noise.described),
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

    @cached_property
    def most_epochs(self) -> int:
        """The epochs of its longest training."""
        searched = {key.removeprefix("training."): value for key, value in self.space.items()}
        longest = {
            f"training.{key}": max(points_of(value))
            for key in ("epochs", "batch_size")
            if (value := searched.get(key)) is not None
        }
        epochs: int = resolve_training(self.spec.training, longest, self.task)["epochs"]
        return epochs

    def proposer(self, record: Record | None = None) -> Proposer:
        """A proposer at config 0: a fresh one, or one that goes on from what is in the record."""
        seed = derive_seed(self.spec.seed, "search") % 2**32
        part = record.part(f"{self.name}, {self.task.title}") if record else None
        return make_proposer(self.spec.search, self.space, seed, part)

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
        if self.spec.search.epochs is not None:
            return self.proposer().size
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

    @property
    def most_epochs(self) -> int:
        """The epochs of its longest training."""
        return max(cell.most_epochs for cell in self.cells)

    def rivals(self, cell: Cell) -> list[Cell]:
        """The cells whose configs the scheduler compares with those of `cell`, itself among them."""
        scope = getattr(self.spec.scheduler, "scope", "cell")
        if scope == "cell":
            return [cell]
        return [other for other in self.cells if scope == "study" or other.task.title == cell.task.title]

    def pruner(self, cell: Cell) -> Pruner:
        """A fresh pruner for a cell and its rivals."""
        rivals = self.rivals(cell)
        return make_pruner(
            self.spec, sum(rival.num_configs for rival in rivals), max(rival.most_epochs for rival in rivals)
        )


def make_plan(spec: StudySpec, cache: Path) -> Plan:
    """The plan of a study; decodes its data sets into `cache` on first use.

    StudyError where files are missing or damaged, and where a split or a noise does not fit the data.
    """
    seed = trial_seeds(spec.seed, 0)["noise"]
    tasks = []
    for dataset in spec.dataset:
        split = {"holdout": dataset.holdout, "seed": derive_seed(spec.seed, "split")}
        digest = _digest(dataset, cache)
        source = located(dataset.described) | {"digest": digest}
        noises = task_noises(spec, source, split, seed, cache)
        num_train = len(load_task(source, split, CLEAN, cache).train_index)
        tasks += [Task(dataset, digest, noise, model, num_train) for noise in noises for model in spec.model]
    return Plan(spec, tuple(Cell(spec, task, family) for task in tasks for family in spec.families))


def _digest(dataset: DatasetSpec, cache: Path) -> str:
    try:
        return load_pool(dataset.described, cache).digest
    except ValueError as problem:
        raise StudyError(str(problem)) from None


def resolve_training(training: TrainingSpec, params: Params, task: Task) -> dict[str, Any]:
    """The training of one config: searched settings replaced by their values, checked once more as a whole.

    Its length is in epochs, augmentation and normalisation are written out as the data set's standard has them.
    """
    values = training.model_dump()
    if "training.epochs" in params:
        values["iterations"] = None
    for key, value in params.items():
        if key.startswith("training."):
            *parents, last = key.split(".")[1:]
            holder = values
            for parent in parents:
                holder = holder[parent]
            holder[last] = value
    try:
        resolved = TrainingSpec.model_validate(values)
        return resolved.model_dump(exclude={"iterations"}) | {
            "epochs": resolved.num_epochs(task.num_train),
            "augment": resolve_augment(values["augment"], task.dataset.name),
            "normalise": complete_normalisation(values["normalise"]),
        }
    except ValueError as problem:
        raise StudyError(f"config {json.dumps(params)} does not make a valid training: {problem}") from None


def _code(path: str) -> str:
    try:
        return source_digest(path)
    except ValueError as problem:
        raise StudyError(str(problem)) from None


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


def _all(proposer: Proposer) -> Iterator[Params]:
    while (params := proposer.ask()) is not None:
        yield params
