"""A loss family in a study, and its space."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import Field, model_validator

from search_spaces import get_space
from study.spec.spaces import Distribution, Searchable, check_searchable, parse_searchable, values_of
from study.spec.strict import PlacedError, Strict
from study.spec.training import DECAY, LR
from trainables.losses.families import Real, get_family
from trainables.names import unknown_name

FINITE = ("grid", "integer")


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
    whole = all(isinstance(each, int) for each in values_of(value)) and getattr(value, "kind", "grid") in FINITE
    if key in ("training.batch_size", "training.epochs") and not whole:
        raise ValueError(f"{key} takes whole numbers: one, a grid of them, or {{integer: [low, high]}}")
