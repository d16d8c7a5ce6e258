"""How configs are proposed, stopped early, chosen and confirmed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from study.strict import Strict
from trainables.metrics.catalogue import METRICS, SELECTABLE
from trainables.names import unknown_name

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
    Of `top` configs the one published is the first by the search; the others show how close the choice was.
    """

    shorthand = "protocol"
    protocol: Literal["retrain", "holdout"] = "holdout"
    repeats: int = Field(5, ge=1)
    top: int = Field(1, ge=1)
    curve: bool = False
