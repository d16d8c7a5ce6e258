"""A launch that is to take no longer than so many hours: refused before anything starts, or ended gently."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from study.errors import StudyError
from study.planning.pilot import Forecast

HOUR_S = 3600.0


def check_fits(study: str, forecast: Forecast, max_hours: float, in_words: Callable[[float], str]) -> None:
    """StudyError where even the low reading of a forecast is longer than `max_hours`; seconds are told `in_words`."""
    if forecast.seconds is None or forecast.seconds_low is None or forecast.seconds_high is None:
        raise StudyError(
            f"--max-hours {max_hours:g}: how long '{study}' takes cannot be said before its data is there; "
            "add --trim, and it is ended gently when they have passed"
        )
    if forecast.seconds_low <= max_hours * HOUR_S:
        return
    low, about, high = (
        in_words(seconds) for seconds in (forecast.seconds_low, forecast.seconds, forecast.seconds_high)
    )
    taken = f"at least about {low}" if forecast.alone or low == high else f"about {about} ({low} to {high})"
    fewer = most_fitting(forecast.fitting, max_hours * HOUR_S)
    configs = f"--set search.configs={fewer} would fit, or " if fewer else ""
    raise StudyError(
        f"--max-hours {max_hours:g}: what is missing of '{study}' takes {taken} where no trial is stopped early; "
        f"{configs}--trim ends it gently when the hours have passed, and launching again goes on"
    )


def most_fitting(seconds: Sequence[float], limit_s: float) -> int:
    """The most configs of a cell, of which `seconds` tells the time by their number, that take no longer."""
    return max((number for number, each in enumerate(seconds) if each <= limit_s), default=0)
