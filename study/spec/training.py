"""How a trial trains: length, optimiser, schedule, augmentation."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from study.spec.spaces import Searchable, as_real, check_searchable
from study.spec.strict import ByName, OneOrMany, PlacedError, Strict, named
from trainables.augmentation import complete_augmentation
from trainables.losses.families import Real
from trainables.normalisation import complete_normalisation

LR = Real(0.05, 0, low_open=True, meaning="a learning rate is positive")
DECAY = Real(0.0, 0, meaning="a weight decay is not negative")


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


class AugmentationSpec(ByName):
    """An augmentation by name, with its options; `standard` stands for the data set's own."""

    @model_validator(mode="after")
    def _known(self) -> AugmentationSpec:
        if self.name != "standard":
            complete_augmentation(self.model_dump())
        elif self.model_extra:
            raise ValueError("augmentation 'standard' has no options; write its list out to change them")
        return self


class NormalisationSpec(ByName):
    """A normalisation by name, with its options."""

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
    precision: Literal["float32", "float64", "bf16"] = "float32"
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
