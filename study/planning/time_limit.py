"""A launch that is to take no longer than so many hours: refused before anything starts, or ended gently."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from study.errors import StudyError
from study.planning.pilot import Forecast

HOUR_S = 3600.0


def check_hours(max_hours: float) -> None:
    """StudyError where that is no time that ends."""
    if not math.isfinite(max_hours):
        raise StudyError(f"--max-hours {max_hours}: give a finite number of hours, or leave it out")


def check_fits(study: str, forecast: Forecast, max_hours: float, in_words: Callable[[float], str]) -> str:
    """A sentence where only the high reading of a forecast is longer than `max_hours`, empty where none is.

    StudyError where the forecast itself is longer; seconds are told `in_words`.
    """
    if forecast.seconds is None or forecast.seconds_low is None or forecast.seconds_high is None:
        raise StudyError(
            f"--max-hours {max_hours:g}: how long '{study}' takes cannot be said before its data is there; "
            "add --trim, and it is ended gently when they have passed"
        )
    limit_s = max_hours * HOUR_S
    low, about, high = (
        in_words(seconds) for seconds in (forecast.seconds_low, forecast.seconds, forecast.seconds_high)
    )
    if forecast.seconds <= limit_s:
        ended = "nothing ends it then; --trim would, gently"
        return (
            f"--max-hours {max_hours:g}: it may take up to {high}; {ended}" if forecast.seconds_high > limit_s else ""
        )
    taken = f"about {about}" if low == high else f"about {about} ({low} to {high})"
    if forecast.alone:
        taken = f"up to {about} (timed one lane at a time; {low} if lanes together cost nothing)"
    fewer = most_fitting(forecast.fitting, limit_s)
    configs = f"--set search.configs={fewer} would fit, or " if fewer else ""
    raise StudyError(
        f"--max-hours {max_hours:g}: what is missing of '{study}' takes {taken} where no trial is stopped early; "
        f"{configs}--trim ends it gently when the hours have passed, and launching again goes on"
    )


@dataclass(frozen=True)
class Limit:
    """What a launch with `--max-hours` would say: whether it would be `refused`, and why or what happens instead."""

    hours: float
    refused: bool
    said: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def foresee_limit(
    study: str, forecast: Forecast, max_hours: float, in_words: Callable[[float], str], *, trim: bool
) -> Limit:
    """What a launch with `--max-hours`, and with `--trim` or without it, would do."""
    if trim:
        said = f"--max-hours {max_hours:g} --trim: what still runs when they have passed is ended gently"
        return Limit(max_hours, False, said)
    try:
        said = check_fits(study, forecast, max_hours, in_words)
    except StudyError as problem:
        return Limit(max_hours, True, f"It would be refused: {problem}")
    return Limit(max_hours, False, said or f"--max-hours {max_hours:g}: it would not be refused")


def most_fitting(seconds: Sequence[float], limit_s: float) -> int:
    """The most configs of a cell, of which `seconds` tells the time by their number, that take no longer."""
    return max((number for number, each in enumerate(seconds) if each <= limit_s), default=0)
