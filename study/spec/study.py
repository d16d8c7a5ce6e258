"""A whole study file."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from study.spec.families import FamilySpec
from study.spec.paper import PaperSpec
from study.spec.running import ResourcesSpec, TrackingSpec
from study.spec.search import AshaSpec, ConfirmSpec, MedianSpec, NoSchedulerSpec, SearchSpec, SelectSpec
from study.spec.spaces import Distribution
from study.spec.strict import OneOrMany, PlacedError, Strict, named, without_repeats
from study.spec.tasks import DatasetSpec, ModelSpec, NoiseSpec
from study.spec.training import TrainingSpec
from trainables.augmentation import standard_for
from trainables.data.noise import parse as parse_noise
from trainables.data.noise import title
from trainables.names import unknown_name

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class StudySpec(Strict):
    """A study: which losses are compared, on what, and with how much effort."""

    name: str = Field(max_length=100, json_schema_extra={"pattern": NAME})
    description: str = ""
    seed: int = Field(0, ge=0)
    dataset: Annotated[list[DatasetSpec], OneOrMany(), Field(min_length=1)]
    noise: Annotated[list[NoiseSpec], OneOrMany()] = Field([NoiseSpec(kind="none")], min_length=1)
    model: Annotated[list[ModelSpec], OneOrMany(), Field(min_length=1)]
    families: list[FamilySpec] = Field(min_length=1)
    training: TrainingSpec
    search: SearchSpec = SearchSpec()
    scheduler: Annotated[
        AshaSpec | MedianSpec | NoSchedulerSpec, BeforeValidator(named), Field(discriminator="name")
    ] = NoSchedulerSpec(name="none")
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
        longest = self.training.epochs or math.inf
        if isinstance(self.scheduler, AshaSpec | MedianSpec) and self.scheduler.grace_epochs > longest:
            raise PlacedError(
                ("scheduler", "grace_epochs"),
                f"scheduler.grace_epochs = {self.scheduler.grace_epochs} is more than "
                f"training.epochs = {self.training.epochs}: no trial would be stopped early; "
                "--set scheduler.grace_epochs=1, or --set scheduler=none",
            )
        if self.search.epochs is not None and self.search.epochs < (self.training.epochs or 0):
            raise PlacedError(
                ("search", "epochs"),
                f"search.epochs = {self.search.epochs} is less than one training of {self.training.epochs} epochs: "
                "nothing would run; it is what screening a family's configs may take in all",
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
