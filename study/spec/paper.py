"""The numbers that a paper printed, as a study file carries them: reports set them beside one's own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from study.spec.strict import Strict
from trainables.data.noise import NOISES
from trainables.names import unknown_name

PaperMetric = Literal["accuracy", "error", "top5_accuracy", "top5_error"]


class PaperNumber(Strict):
    """One number, in percent, of the family's entry called `family`; what is left out holds for every task.

    `noise` is a kind, or what tables call a noise but for its rate, such as `asymmetric m1`. Where it does not tell
    which of several noises of one `noise_rate` a number is of, the number is set beside none.
    `sd` is the standard deviation over the paper's runs, where it gives one; `quoted` says that the paper took the
    number from elsewhere.
    """

    family: str
    value: float = Field(ge=0, le=100)
    sd: float | None = Field(None, ge=0)
    metric: PaperMetric | None = None
    dataset: str | None = None
    noise: str | None = None
    noise_rate: float | None = None
    model: str | None = None
    params: dict[str, float | int | str] = Field(default_factory=dict)
    quoted: bool = False

    @field_validator("noise")
    @classmethod
    def _known_kind(cls, noise: str | None) -> str | None:
        if noise is not None and noise.partition(" ")[0] not in NOISES:
            raise ValueError(unknown_name("noise", noise, NOISES, "kinds of noise"))
        return noise


class PaperSpec(Strict):
    """Where a study comes from: the paper, its table or figure, and the numbers printed there."""

    source: str
    metric: PaperMetric = "accuracy"
    numbers: list[PaperNumber] = Field(default_factory=list)
    note: str = ""
