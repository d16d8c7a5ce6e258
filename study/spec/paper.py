"""The numbers that a paper printed, as a study file carries them: reports set them beside one's own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from study.spec.strict import Strict

PaperMetric = Literal["accuracy", "error", "top5_accuracy", "top5_error"]


class PaperNumber(Strict):
    """One number, in percent, of the family's entry called `family`; what is left out holds for every task.

    `sd` is the standard deviation over the paper's runs, where it gives one; `quoted` says that the paper took the
    number from elsewhere.
    """

    family: str
    value: float = Field(ge=0, le=100)
    sd: float | None = Field(None, ge=0)
    metric: PaperMetric | None = None
    dataset: str | None = None
    noise_rate: float | None = None
    model: str | None = None
    params: dict[str, float | int | str] = Field(default_factory=dict)
    quoted: bool = False


class PaperSpec(Strict):
    """Where a study comes from: the paper, its table or figure, and the numbers printed there."""

    source: str
    metric: PaperMetric = "accuracy"
    numbers: list[PaperNumber] = Field(default_factory=list)
    note: str = ""
