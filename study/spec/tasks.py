"""What families are compared on: data set, noise and network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from study.spec.strict import ByName, OneOrMany, PlacedError, Strict, without_repeats
from trainables.data.datasets import check_dataset, get_source, option_names
from trainables.data.datasets.elsewhere import is_elsewhere
from trainables.data.noise import NOISES
from trainables.data.noise import parse as parse_noise
from trainables.models import check_model, complete_model
from trainables.names import unknown_name
from trainables.own import is_own
from trainables.storage import Storage


class DatasetSpec(ByName):
    """A data set by name, with its options, and how much of it is held out for validation.

    `holdout` is a share below 1 or a number of images. `root` is where its files lie, a path or `s3://BUCKET/FOLDER`;
    `label` names it in tables.
    """

    label: str = Field("", pattern=r"^[A-Za-z0-9_.+-]*$", max_length=60)
    holdout: float = Field(0.2, gt=0)
    root: Annotated[str, BeforeValidator(str)] | None = None

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
    def _exists(cls, root: str | None) -> str | None:
        if root is not None and is_elsewhere(root):
            return Storage(root).uri
        if root is not None and not Path(root).exists():
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
        root = {"root": self.root} if self.root is not None else {}
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


class ModelSpec(ByName):
    """A network by name, with its arguments."""

    @model_validator(mode="after")
    def _known(self) -> ModelSpec:
        check_model(self.name, self.model_extra or {})
        return self

    @property
    def completed(self) -> dict[str, Any]:
        """As a trial describes it: with all its arguments."""
        return complete_model(self.name, self.model_extra or {})
