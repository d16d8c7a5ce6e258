"""The catalogue of loss families: formula, hyperparameters with their ranges, neutral setting, paper.

Plain data, no torch: the command line lists it and the study file is checked against it in milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainables.names import unknown_name


@dataclass(frozen=True)
class Real:
    """A number in an interval."""

    default: float
    low: float = -math.inf
    high: float = math.inf
    high_open: bool = False
    low_open: bool = False
    meaning: str = ""

    @property
    def range(self) -> str:
        low = f"{'(' if self.low_open else '['}{self.low:g}" if math.isfinite(self.low) else "(-inf"
        high = f"{self.high:g}{')' if self.high_open else ']'}" if math.isfinite(self.high) else "inf)"
        return f"{low}, {high}"

    def check(self, name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} = {value!r} is not a number; it lies in {self.range}")
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        if not (above and below and math.isfinite(value)):
            raise ValueError(f"{name} = {value:g} is outside {self.range}: {self.meaning}")


@dataclass(frozen=True)
class Similarity:
    """A class-similarity matrix: by name, or ready [C, C] with rows that sum to 1 and a zero diagonal."""

    default: str = "lda"
    names: tuple[str, ...] = ("lda", "uniform")
    meaning: str = "class similarity: 'lda' is fitted to the training images and labels, 'uniform' knows nothing"

    @property
    def range(self) -> str:
        return " | ".join(self.names)

    def check(self, name: str, value: Any) -> None:
        if isinstance(value, str) and value not in self.names:
            raise ValueError(unknown_name(name, value, self.names, "similarities"))
        if isinstance(value, bool | int | float | type(None)):
            raise ValueError(f"{name} = {value!r} is not a similarity; known: {', '.join(self.names)}")


@dataclass(frozen=True)
class Family:
    """A loss and its hyperparameters."""

    name: str
    class_name: str
    title: str
    formula: str
    paper: str
    hyperparameters: Mapping[str, Real | Similarity] = field(default_factory=dict)
    neutral: Mapping[str, float] = field(default_factory=dict)

    def check(self, hyperparameter: str, value: Any) -> None:
        """Refuse an unknown hyperparameter or a value outside its range with ValueError."""
        if hyperparameter not in self.hyperparameters:
            known = self.hyperparameters
            raise ValueError(unknown_name("hyperparameter", hyperparameter, known, f"family '{self.name}' has"))
        self.hyperparameters[hyperparameter].check(hyperparameter, value)

    def complete(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` checked, with defaults for what is left out."""
        for name, value in values.items():
            self.check(name, value)
        return {name: values.get(name, hp.default) for name, hp in self.hyperparameters.items()}


MARTINEZ = "Martinez and Stiefelhagen, Taming the Cross Entropy Loss, 2018"
NEGI = "Negi, Chen and Mahoor, Mixed Cross Entropy Loss"
SZEGEDY = "Szegedy et al., Rethinking the Inception Architecture, 2016"

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in [
        Family(
            name="ce",
            class_name="CrossEntropy",
            title="cross entropy",
            formula="-log q_y",
            paper="the standard baseline",
        ),
        Family(
            name="label_smoothing",
            class_name="LabelSmoothing",
            title="label smoothing",
            formula="-(1-ε) log q_y - ε/C Σ_i log q_i",
            paper=f"{SZEGEDY}; {NEGI}, eq. 2",
            hyperparameters={
                "epsilon": Real(0.1, 0, 1, high_open=True, meaning="share of the target spread over all classes")
            },
            neutral={"epsilon": 0.0},
        ),
        Family(
            name="mcel",
            class_name="MixedCrossEntropy",
            title="mixed cross entropy (MCEL)",
            formula="-(1-ε) log q_y - ε Σ_i A[y,i] log q_i",
            paper=f"{NEGI}, eqs. 3 and 4",
            hyperparameters={
                "epsilon": Real(0.1, 0, 0.5, high_open=True, meaning="share of the target given to similar classes"),
                "similarity": Similarity(),
            },
            neutral={"epsilon": 0.0},
        ),
        Family(
            name="tce",
            class_name="TamedCrossEntropy",
            title="tamed cross entropy (TCE)",
            formula="((1 - log q_y)^(1-α) - 1) / (1-α)",
            paper=f"{MARTINEZ}, eqs. 8 and 9",
            hyperparameters={"alpha": Real(1.0, 0, meaning="strength of the taming; 0 is cross entropy")},
            neutral={"alpha": 0.0},
        ),
    ]
}


def get_family(name: str) -> Family:
    """The family called `name`; ValueError with the nearest name where there is none."""
    if name not in FAMILIES:
        raise ValueError(unknown_name("family", name, sorted(FAMILIES), "families"))
    return FAMILIES[name]
