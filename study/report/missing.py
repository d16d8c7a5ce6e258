"""Families that a figure leaves out, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.report.points import Point, searched_keys
from study.report.words import listed
from study.results.selection import CellResult


def why_no_space(cell: CellResult, points: Sequence[Point]) -> str:
    """Why these configs of a cell do not span several hyperparameters; empty where they do."""
    searched = len(cell.facts.get("searched", ()))
    if searched < 2:
        return "one hyperparameter was searched" if searched else "nothing was searched"
    if not points:
        return "no config completed the screening repeat"
    return "" if len(searched_keys(cell, points)) > 1 else "fewer than two hyperparameters took several values"


def not_shown(reasons: Mapping[str, str]) -> str:
    """Families with the same reason in one go; empty where no family has one.

    `Not shown: ce and mse (nothing was searched); tce (fewer than 4 configs).`
    """
    families: dict[str, list[str]] = {}
    for family, reason in reasons.items():
        families.setdefault(reason, []).append(family)
    said = "; ".join(f"{listed(names)} ({reason})" for reason, names in families.items())
    return f"Not shown: {said}." if said else ""
