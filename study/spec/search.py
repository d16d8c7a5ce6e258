"""How configs are proposed, stopped early, chosen and confirmed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from study.spec.strict import Strict
from trainables.metrics.catalogue import METRICS, SELECTABLE
from trainables.names import unknown_name

MAX_CONFIGS = 100_000  # of one cell
LEARNERS = ("tpe", "gp", "cma_es")  # the proposers that depend on results


class SearchSpec(Strict):
    """How configs are proposed, how many for each family of a task, and how often the good ones are repeated.

    `grid` takes every point, or the first `configs` of them; the others need `configs` or `epochs`, a budget: what
    screening the configs of one family in a task may take at most. `warm_start` names a study from whose results `tpe`,
    `gp` and `cma_es` learn before their first config.
    """

    shorthand = "name"
    name: Literal["grid", "random", "quasi_random", "tpe", "gp", "cma_es"] = "grid"
    configs: int | None = Field(None, ge=1, le=MAX_CONFIGS)
    epochs: int | None = Field(None, ge=1)
    repeats: int = Field(1, ge=1)
    warm_start: str | None = None

    @property
    def learns(self) -> bool:
        """Whether what is proposed depends on results."""
        return self.name in LEARNERS

    @property
    def most_configs(self) -> int | None:
        """How many configs a cell has at the most; None for all of a grid. Each takes an epoch of a budget or more."""
        return self.configs or (min(self.epochs, MAX_CONFIGS) if self.epochs and self.name != "grid" else None)

    @model_validator(mode="after")
    def _enough(self) -> SearchSpec:
        if self.name != "grid" and self.configs is None and self.epochs is None:
            raise ValueError(
                f"search '{self.name}' needs a number of configs, as in configs: 16, or of epochs, as in epochs: 400"
            )
        if self.warm_start is not None and not self.learns:
            raise ValueError(
                f"search.warm_start: '{self.name}' does not learn from results; search by {', '.join(LEARNERS)}, "
                "or leave it out"
            )
        return self


class SchedulerSpec(Strict):
    """What schedulers share: whose configs, on their screening repeat, are compared with one another.

    Those of a family in a task (`cell`), of all families of a task, or of the whole study.
    """

    shorthand = "name"
    scope: Literal["cell", "task", "study"] = "cell"


class AshaSpec(SchedulerSpec):
    """Asynchronous successive halving (Li et al., 2020)."""

    name: Literal["asha"]
    grace_epochs: int = Field(1, ge=1)
    reduction: float = Field(3, gt=1)


class MedianSpec(SchedulerSpec):
    """The median stopping rule (Golovin et al., 2017, section 3.2): every `every` epochs from `grace_epochs` on.

    A trial whose best score is worse than the median of the others' means so far is stopped, once there are
    `min_configs` others.
    """

    name: Literal["median"]
    grace_epochs: int = Field(1, ge=1)
    every: int = Field(1, ge=1)
    min_configs: int = Field(3, ge=1)


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
    def sign(self) -> Literal[1, -1]:
        """What a score is multiplied by so that more is better."""
        return 1 if self.mode == "max" else -1

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
