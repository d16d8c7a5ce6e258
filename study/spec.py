"""The study file as typed models: what may be written in it, its defaults and its rules.

`study_file.load_spec` reads one. Everything behind it works with these frozen, checked values.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from search_spaces import get_space
from study.spaces import Distribution, Searchable, as_real, check_searchable, parse_searchable
from study.strict import OneOrMany, PlacedError, Strict, named, without_repeats
from trainables.augmentation import complete_augmentation, standard_for
from trainables.data.datasets import check_dataset_name
from trainables.losses.families import Real, get_family
from trainables.models import check_model
from trainables.names import unknown_name
from trainables.normalisation import complete_normalisation

FINITE = ("grid", "integer")
LR = Real(0.05, 0, low_open=True, meaning="a learning rate is positive")
DECAY = Real(0.0, 0, meaning="a weight decay is not negative")


class DatasetSpec(Strict):
    """A data set, and the share of it that is held out for validation."""

    shorthand = "name"
    name: str
    holdout: float = Field(0.2, gt=0, lt=1)
    root: Path | None = None

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        check_dataset_name(name)
        return name

    @field_validator("root")
    @classmethod
    def _exists(cls, root: Path | None) -> Path | None:
        if root is not None and not root.is_dir():
            raise ValueError(f"no folder {root}; give the folder that holds the data set's files")
        return root


class NoiseSpec(Strict):
    """Label noise. A list of rates makes one task of each."""

    kind: Literal["uniform"] = "uniform"
    rate: Annotated[list[Annotated[float, Field(ge=0, le=1)]], OneOrMany()] = Field([0.0], min_length=1)

    @field_validator("rate")
    @classmethod
    def _distinct(cls, rates: list[float]) -> list[float]:
        return without_repeats("noise rate", rates)


class ModelSpec(Strict):
    """A network by name, with its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)
    shorthand = "name"
    name: str

    @model_validator(mode="after")
    def _known(self) -> ModelSpec:
        check_model(self.name, self.model_extra or {})
        return self


class FamilySpec(Strict):
    """A loss family and its space. Keys left out of `space` are taken from the family's module in search_spaces/.

    `label` names it in tables, and tells two entries of one family apart.
    """

    shorthand = "family"
    family: str
    label: str = Field("", pattern=r"^[A-Za-z0-9_.+-]*$", max_length=60)
    space: dict[str, Searchable] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_space(self) -> FamilySpec:
        family = get_family(self.family)
        for key, value in self.space.items():
            try:
                if key.startswith("training."):
                    _check_training_key(key, value)
                else:
                    check_searchable(value, partial(family.check, key))
            except ValueError as problem:
                raise PlacedError(("space", key), str(problem)) from None
        return self

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.label or self.family.rpartition(":")[2]

    def full_space(self) -> dict[str, Any]:
        """The module's space with this entry's keys over it; of the module's, only what counts beside the constants."""
        family, module = get_family(self.family), get_space(self.family)
        space = {key: parse_searchable(value) for key, value in module.items()} | self.space
        constants = {key: value for key, value in space.items() if not isinstance(value, Distribution)}
        fixed = {key: hp.default for key, hp in family.hyperparameters.items()} | constants
        idle = {
            key
            for key, counts in family.counts.items()
            if key not in self.space and not counts(fixed) and not isinstance(space.get("similarity"), Distribution)
        }
        return {key: value for key, value in space.items() if key not in idle}


class OptimizerSpec(Strict):
    """Settings that every optimiser has. `lr` and `weight_decay` may be searched, alike for every family."""

    lr: Searchable
    weight_decay: Searchable = 0.0

    @field_validator("lr")
    @classmethod
    def _positive(cls, value: Any) -> Any:
        check_searchable(value, partial(LR.check, "lr"))
        return as_real(value)

    @field_validator("weight_decay")
    @classmethod
    def _not_negative(cls, value: Any) -> Any:
        check_searchable(value, partial(DECAY.check, "weight_decay"))
        return as_real(value)


class SGDSpec(OptimizerSpec):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"]
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = True


class AdamWSpec(OptimizerSpec):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"]
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)


class ConstantSpec(Strict):
    """The learning rate stays."""

    shorthand = "name"
    name: Literal["constant"]


class CosineSpec(Strict):
    """The learning rate falls to zero along a cosine."""

    shorthand = "name"
    name: Literal["cosine"]


class MultistepSpec(Strict):
    """The learning rate is multiplied by `gamma` at each milestone (an epoch)."""

    name: Literal["multistep"]
    milestones: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    gamma: float = Field(0.1, gt=0, le=1)


class AugmentationSpec(Strict):
    """An augmentation by name, with its options; `standard` stands for the data set's own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    shorthand = "name"
    name: str

    @model_validator(mode="after")
    def _known(self) -> AugmentationSpec:
        if self.name != "standard":
            complete_augmentation(self.model_dump())
        elif self.model_extra:
            raise ValueError("augmentation 'standard' has no options; write its list out to change them")
        return self


class NormalisationSpec(Strict):
    """A normalisation by name, with its options."""

    model_config = ConfigDict(extra="allow", frozen=True)
    shorthand = "name"
    name: str

    @model_validator(mode="after")
    def _known(self) -> NormalisationSpec:
        complete_normalisation(self.model_dump())
        return self


def _no_list(value: Any) -> Any:
    """`none` as the empty list."""
    return [] if value == "none" else value


class TrainingSpec(Strict):
    """How a trial trains; the same for every family."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(64, ge=1)
    optimizer: Annotated[SGDSpec | AdamWSpec, BeforeValidator(named), Field(discriminator="name")]
    schedule: Annotated[
        ConstantSpec | CosineSpec | MultistepSpec, BeforeValidator(named), Field(discriminator="name")
    ] = CosineSpec(name="cosine")
    clip_norm: float | None = Field(None, gt=0)
    precision: Literal["float32", "float64"] = "float32"
    augment: Annotated[list[AugmentationSpec], OneOrMany(), BeforeValidator(_no_list)] = Field([])
    normalise: NormalisationSpec = NormalisationSpec(name="channel")


MAX_CONFIGS = 100_000  # of one cell


class SearchSpec(Strict):
    """How configs are proposed, how many for each family of a task, and how often the good ones are repeated.

    `grid` takes every point, or the first `configs` of them; the others need `configs`.
    """

    shorthand = "name"
    name: Literal["grid", "random", "quasi_random", "tpe"] = "grid"
    configs: int | None = Field(None, ge=1, le=MAX_CONFIGS)
    repeats: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _enough(self) -> SearchSpec:
        if self.name != "grid" and self.configs is None:
            raise ValueError(f"search '{self.name}' needs a number of configs, as in configs: 16")
        return self


class AshaSpec(Strict):
    """Asynchronous successive halving of each cell's configs, on their screening repeat (Li et al., 2020)."""

    shorthand = "name"
    name: Literal["asha"]
    grace_epochs: int = Field(1, ge=1)
    reduction: float = Field(3, gt=1)


class NoSchedulerSpec(Strict):
    """Every trial trains to its end."""

    shorthand = "name"
    name: Literal["none"]


class SelectSpec(Strict):
    """What a config is judged by: a validation metric, against noisy labels (as a user has them) or clean ones."""

    metric: Literal["val_accuracy", "val_loss"] = "val_accuracy"
    labels: Literal["noisy", "clean"] = "noisy"
    epoch: Literal["best", "last"] = "best"

    @property
    def monitor(self) -> str:
        """The reported metric's name."""
        return f"{self.metric}_{self.labels}"

    @property
    def mode(self) -> Literal["max", "min"]:
        """Whether more or less is better."""
        return "max" if self.metric == "val_accuracy" else "min"


class ResourcesSpec(Strict):
    """What one trial takes of the machine, how often it reports, and how often it is tried again."""

    lanes: int = Field(1, ge=1)
    cpus: float = Field(1, gt=0)
    gpus: float = Field(0, ge=0)
    retries: int = Field(3, ge=0)
    report_interval_s: float = Field(2, gt=0)
    checkpoint_interval_s: float = Field(30, ge=0)


class TrackingSpec(Strict):
    """The MLflow store that shows the study. Without a `uri`: `mlflow.db` in the studies' home."""

    enabled: bool = True
    uri: str | None = None


NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class StudySpec(Strict):
    """A study: which losses are compared, on what, and with how much effort."""

    name: str = Field(max_length=100, json_schema_extra={"pattern": NAME})
    description: str = ""
    seed: int = Field(0, ge=0)
    dataset: Annotated[list[DatasetSpec], OneOrMany(), Field(min_length=1)]
    noise: NoiseSpec = NoiseSpec()
    model: Annotated[list[ModelSpec], OneOrMany(), Field(min_length=1)]
    families: list[FamilySpec] = Field(min_length=1)
    training: TrainingSpec
    search: SearchSpec = SearchSpec()
    scheduler: Annotated[AshaSpec | NoSchedulerSpec, BeforeValidator(named), Field(discriminator="name")] = (
        NoSchedulerSpec(name="none")
    )
    select: SelectSpec = SelectSpec()
    resources: ResourcesSpec = ResourcesSpec()
    tracking: TrackingSpec = TrackingSpec()

    @field_validator("name")
    @classmethod
    def _a_folders_name(cls, name: str) -> str:
        if not re.fullmatch(NAME, name):
            raise ValueError(f"'{name}': letters, digits, '_', '.' and '-' make a name, a letter or digit first")
        if name.startswith("mlflow"):
            raise ValueError(f"'{name}' begins like the MLflow store's files beside it; choose another name")
        return name

    @field_validator("families")
    @classmethod
    def _labels_differ(cls, families: list[FamilySpec]) -> list[FamilySpec]:
        without_repeats("give one of them a label: family", [family.name for family in families])
        return families

    @model_validator(mode="after")
    def _consistent(self) -> StudySpec:
        without_repeats("data set", [dataset.name for dataset in self.dataset])
        without_repeats("model", [json.dumps(model.model_dump(), sort_keys=True) for model in self.model])
        if isinstance(self.scheduler, AshaSpec) and self.scheduler.grace_epochs > self.training.epochs:
            raise PlacedError(
                ("scheduler", "grace_epochs"),
                f"scheduler.grace_epochs = {self.scheduler.grace_epochs} is more than "
                f"training.epochs = {self.training.epochs}: no trial would be stopped early",
            )
        if any(augmentation.name == "standard" for augmentation in self.training.augment):
            for dataset in self.dataset:
                try:
                    standard_for(dataset.name)
                except ValueError as problem:
                    raise PlacedError(("training", "augment"), str(problem)) from None
        if self.search.name == "grid":
            for path, value in self._searched():
                if isinstance(value, Distribution) and not value.finite:
                    raise PlacedError(
                        path,
                        f"{path[-1]} is {value.kind}, which a grid search cannot list; "
                        "give it a grid of points, or search by random",
                    )
        return self

    def _searched(self) -> list[tuple[tuple[str | int, ...], Any]]:
        optimizer = self.training.optimizer
        shared: list[tuple[tuple[str | int, ...], Any]] = [
            (("training", "optimizer", "lr"), optimizer.lr),
            (("training", "optimizer", "weight_decay"), optimizer.weight_decay),
        ]
        return shared + [
            (("families", index, "space", key), value)
            for index, family in enumerate(self.families)
            for key, value in family.full_space().items()
        ]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a study file, for editors and for other programs."""
    schema = StudySpec.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _check_training_key(key: str, value: Any) -> None:
    known = {
        "training.batch_size": Real(64, 1, meaning="a batch holds at least one image"),
        "training.epochs": Real(1, 1, meaning="a trial trains for at least one epoch"),
        "training.optimizer.lr": LR,
        "training.optimizer.weight_decay": DECAY,
    }
    if key not in known:
        raise ValueError(unknown_name("training setting", key, known, "settings that a family may search"))
    check_searchable(value, partial(known[key].check, key))
    if key in ("training.batch_size", "training.epochs"):
        points = value.values if isinstance(value, Distribution) else (value,)
        if any(not isinstance(point, int) for point in points) or getattr(value, "kind", "grid") not in FINITE:
            raise ValueError(f"{key} takes whole numbers: one, a grid of them, or {{integer: [low, high]}}")
