"""The sections of a report, one file each, in the order in which they are read.

Each has `section(material)`, which gives a Section, or None where the study has no data for it.
"""

from __future__ import annotations

from collections.abc import Callable

from study.report.document import Section
from study.report.gather import Material
from study.report.parts import (
    answer,
    asked,
    budget,
    calibration,
    classes,
    comparison,
    configs,
    curves,
    failures,
    gap,
    hyperparameters,
    importance,
    learned,
    memorisation,
    noise,
    paper,
    ran,
    runs,
    tuning,
)

PARTS: tuple[Callable[[Material], Section | None], ...] = (
    answer.section,
    comparison.section,
    budget.section,
    paper.section,
    noise.section,
    hyperparameters.section,
    curves.section,
    memorisation.section,
    gap.section,
    configs.section,
    importance.section,
    tuning.section,
    classes.section,
    learned.section,
    calibration.section,
    asked.section,
    ran.section,
    failures.section,
    runs.section,
)
