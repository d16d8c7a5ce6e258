"""The study file as typed models: what may be written in it, its defaults and its rules.

`study_file.load_spec` reads one. Everything behind it works with these frozen, checked values.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
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
from study.paper import PaperSpec
from study.spaces import Distribution, Searchable, as_real, check_searchable, parse_searchable
from study.strict import OneOrMany, PlacedError, Strict, named, without_repeats
from trainables.augmentation import complete_augmentation, standard_for
from trainables.data.datasets import check_dataset, get_source, option_names
from trainables.data.noise import NOISES, title
from trainables.data.noise import parse as parse_noise
from trainables.losses.families import Real, get_family
from trainables.metrics.catalogue import METRICS, SELECTABLE
from trainables.models import check_model, complete_model
from trainables.names import unknown_name
from trainables.normalisation import complete_normalisation
from trainables.own import is_own

FINITE = ("grid", "integer")
LR = Real(0.05, 0, low_open=True, meaning="a learning rate is positive")
DECAY = Real(0.0, 0, meaning="a weight decay is not negative")


class DatasetSpec(Strict):
    """A data set by name, with its options, and how much of it is held out for validation.

    `holdout` is a share below 1 or a number of images. `root` is where its files lie; `label` names it in tables.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    shorthand = "name"
    name: str
    label: str = Field("", pattern=r"^[A-Za-z0-9_.+-]*$", max_length=60)
    holdout: float = Field(0.2, gt=0)
    root: Path | None = None

    @field_validator("holdout")
    @classmethod
    def _share_or_count(cls, holdout: float) -> float:
        if holdout == 1 or holdout != (holdout if holdout < 1 else int(holdout)):
            raise ValueError(f"dataset.holdout = {holdout}: it should be a share below 1, or a whole number from 2")
        return holdout if holdout < 1 else int(holdout)

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        get_source(name)
        return name

    @field_validator("root")
    @classmethod
    def _exists(cls, root: Path | None) -> Path | None:
        if root is not None and not root.exists():
            raise ValueError(f"no folder {root}; give the folder that holds the data set's files")
        return root

    @model_validator(mode="after")
    def _options(self) -> DatasetSpec:
        for key in self.model_extra or {}:
            known = [*option_names(self.name), *type(self).model_fields]
            if key not in known and not is_own(self.name):
                raise PlacedError((key,), unknown_name("key", key, known, "keys"))
        check_dataset(self.described)
        return self

    @property
    def described(self) -> dict[str, Any]:
        """Its description for `trainables.data.datasets`."""
        root = {"root": str(self.root)} if self.root is not None else {}
        return {"name": self.name, **root, **(self.model_extra or {})}

    @property
    def title(self) -> str:
        """What tables call it."""
        return dataset_title(self.model_dump())


def dataset_title(dataset: Mapping[str, Any]) -> str:
    """The label of a data set as the study file describes it, or its name and options."""
    options = {key: value for key, value in dataset.items() if key not in DatasetSpec.model_fields}
    texts = (f"{key}={'+'.join(map(str, v)) if isinstance(v, list) else v}" for key, v in options.items())
    return dataset.get("label") or " ".join([dataset["name"], *texts])


class NoiseSpec(Strict):
    """Label noise of one kind, with its options. A list of rates makes one task of each; `label` names it in tables."""

    kind: str = Field("uniform", json_schema_extra={"enum": list(NOISES)})
    rate: Annotated[list[Annotated[float, Field(ge=0, le=1)]], OneOrMany(), Field(min_length=1)] | None = None
    label: str = Field("", pattern=r"^[A-Za-z0-9_.+-]*$", max_length=60)
    mapping: dict[str, str | int] | None = None
    matrix: list[list[float]] | None = None
    path: str | None = None
    key: str | None = None

    @field_validator("rate")
    @classmethod
    def _distinct(cls, rates: list[float] | None) -> list[float] | None:
        return rates and without_repeats("noise rate", rates)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> NoiseSpec:
        if self.kind not in NOISES:
            raise PlacedError(("kind",), unknown_name("noise", self.kind, NOISES, "kinds of noise"))
        for name, value in self.options.items():
            try:
                NOISES[self.kind].parse_option(name, value)
            except ValueError as problem:
                raise PlacedError((name,), str(problem)) from None
        for value in self.described():
            try:
                parse_noise(value)
            except ValueError as problem:
                raise PlacedError(("rate",) if "rate" in value else (), str(problem)) from None
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options that are set."""
        values = {name: getattr(self, name) for name in ("mapping", "matrix", "path", "key")}
        return {name: value for name, value in values.items() if value is not None}

    def described(self) -> list[dict[str, Any]]:
        """The noise of each of its tasks: one a rate, or a single one of a kind without rates."""
        rates: list[dict[str, Any]] = [{}] if self.rate is None else [{"rate": rate} for rate in self.rate]
        return [{"kind": self.kind, **rate, **self.options} for rate in rates]


class ModelSpec(Strict):
    """A network by name, with its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)
    shorthand = "name"
    name: str

    @model_validator(mode="after")
    def _known(self) -> ModelSpec:
        check_model(self.name, self.model_extra or {})
        return self

    @property
    def completed(self) -> dict[str, Any]:
        """As a trial describes it: with all its arguments."""
        return complete_model(self.name, self.model_extra or {})


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


class AdamSpec(OptimizerSpec):
    """Adam, its weight decay added to the gradient (`adam`) or decoupled from it (`adamw`)."""

    name: Literal["adam", "adamw"]
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


Unit = Literal["epochs", "iterations"]


class MultistepSpec(Strict):
    """The learning rate is multiplied by `gamma` at each milestone."""

    name: Literal["multistep"]
    milestones: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    gamma: float = Field(0.1, gt=0, le=1)
    unit: Unit = "epochs"


class StepSpec(Strict):
    """The learning rate is multiplied by `gamma` after every so many epochs or iterations."""

    name: Literal["step"]
    every: int = Field(ge=1)
    gamma: float = Field(0.1, gt=0, le=1)
    unit: Unit = "epochs"


class ExponentialSpec(Strict):
    """The learning rate is multiplied by `gamma` after every epoch, or every iteration."""

    name: Literal["exponential"]
    gamma: float = Field(gt=0, le=1)
    unit: Unit = "epochs"


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
    """How a trial trains; the same for every family.

    Its length is given in `epochs`, or in `iterations`, which are rounded up to whole epochs. With `patience` it ends
    earlier: when more than so many epochs in a row brought no better value of what the study selects by.
    """

    epochs: int | None = Field(None, ge=1)
    iterations: int | None = Field(None, ge=1)
    patience: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=1)
    optimizer: Annotated[SGDSpec | AdamSpec, BeforeValidator(named), Field(discriminator="name")]
    schedule: Annotated[
        ConstantSpec | CosineSpec | MultistepSpec | StepSpec | ExponentialSpec,
        BeforeValidator(named),
        Field(discriminator="name"),
    ] = CosineSpec(name="cosine")
    clip_norm: float | None = Field(None, gt=0)
    precision: Literal["float32", "float64"] = "float32"
    augment: Annotated[list[AugmentationSpec], OneOrMany(), BeforeValidator(_no_list)] = Field([])
    normalise: NormalisationSpec = NormalisationSpec(name="channel")

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSpec:
        if self.epochs is None and self.iterations is None:
            raise PlacedError(("epochs",), "training.epochs is missing; add it, or training.iterations")
        if self.epochs is not None and self.iterations is not None:
            raise PlacedError(("iterations",), "training.iterations stands beside training.epochs; remove one of them")
        return self

    def num_epochs(self, num_train: int) -> int:
        """How many epochs it has on `num_train` images."""
        if self.epochs is not None:
            return self.epochs
        assert self.iterations is not None, "one of the two is given"
        return math.ceil(self.iterations / math.ceil(num_train / self.batch_size))


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

    metric: str = Field(
        "val_accuracy",
        json_schema_extra={
            "enum": list(SELECTABLE),
            "enumDescriptions": [METRICS[name].meaning for name in SELECTABLE],  # shown by editors
        },
    )
    labels: Literal["noisy", "clean"] = "noisy"
    epoch: Literal["best", "last"] = "best"

    @field_validator("metric")
    @classmethod
    def _selects(cls, metric: str) -> str:
        if metric not in SELECTABLE:
            raise ValueError(unknown_name("metric", metric, SELECTABLE, "a study may select by"))
        return metric

    @property
    def monitor(self) -> str:
        """The reported metric's name."""
        return f"{self.metric}_{self.labels}"

    @property
    def test_metric(self) -> str:
        """What the same is called on test images."""
        return self.metric.replace("val_", "test_", 1)

    @property
    def mode(self) -> Literal["max", "min"]:
        """Whether more or less is better."""
        return METRICS[self.metric].mode


class ConfirmSpec(Strict):
    """How `study confirm` judges a cell's best configs on repeats that no selection has seen.

    `retrain`: on training and validation images together, up to the epoch that the search chose, then tested.
    `holdout`: on the training images; the best validation epoch is tested. With `curve` every epoch is tested, for a
    figure: nothing is chosen by it, and the numbers are those of the same epoch.
    """

    shorthand = "protocol"
    protocol: Literal["retrain", "holdout"] = "holdout"
    repeats: int = Field(5, ge=1)
    top: int = Field(1, ge=1)
    curve: bool = False


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
    noise: Annotated[list[NoiseSpec], OneOrMany(), Field(min_length=1)] = [NoiseSpec(kind="none")]  # noqa: RUF012
    model: Annotated[list[ModelSpec], OneOrMany(), Field(min_length=1)]
    families: list[FamilySpec] = Field(min_length=1)
    training: TrainingSpec
    search: SearchSpec = SearchSpec()
    scheduler: Annotated[AshaSpec | NoSchedulerSpec, BeforeValidator(named), Field(discriminator="name")] = (
        NoSchedulerSpec(name="none")
    )
    select: SelectSpec = SelectSpec()
    confirm: ConfirmSpec = ConfirmSpec()
    resources: ResourcesSpec = ResourcesSpec()
    tracking: TrackingSpec = TrackingSpec()
    paper: PaperSpec | None = None

    @field_validator("name")
    @classmethod
    def _a_folders_name(cls, name: str) -> str:
        if not re.fullmatch(NAME, name):
            raise ValueError(f"'{name}': letters, digits, '_', '.' and '-' make a name, a letter or digit first")
        if name.startswith("mlflow"):
            raise ValueError(f"'{name}' begins like the MLflow store's files beside it; choose another name")
        return name

    @field_validator("dataset")
    @classmethod
    def _titles_differ(cls, datasets: list[DatasetSpec]) -> list[DatasetSpec]:
        without_repeats("give one of them a label: data set", [dataset.title for dataset in datasets])
        return datasets

    @field_validator("families")
    @classmethod
    def _labels_differ(cls, families: list[FamilySpec]) -> list[FamilySpec]:
        without_repeats("give one of them a label: family", [family.name for family in families])
        return families

    @model_validator(mode="after")
    def _paper_fits(self) -> StudySpec:
        labels = [family.name for family in self.families]
        for index, number in enumerate(self.paper.numbers if self.paper else ()):
            place = ("paper", "numbers", index)
            if number.family not in labels:
                raise PlacedError((*place, "family"), unknown_name("family", number.family, labels, "this study has"))
            if number.dataset not in (None, *(dataset.name for dataset in self.dataset)):
                names = [dataset.name for dataset in self.dataset]
                raise PlacedError(
                    (*place, "dataset"), unknown_name("data set", number.dataset, names, "this study has")
                )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> StudySpec:
        noises = [title(parse_noise(value), noise.label) for noise in self.noise for value in noise.described()]
        try:
            without_repeats("give one of them a label: noise", [noise for noise in noises if noise != "clean"])
        except ValueError as problem:
            raise PlacedError(("noise",), str(problem)) from None
        without_repeats("model", [json.dumps(model.completed, sort_keys=True) for model in self.model])
        if isinstance(self.scheduler, AshaSpec) and self.scheduler.grace_epochs > (self.training.epochs or math.inf):
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
