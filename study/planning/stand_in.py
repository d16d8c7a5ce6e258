"""Synthetic images in a data set's format, where its own files are not there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.planning.plan import Cell, Plan, make_plan
from study.spec import DatasetSpec, StudySpec
from trainables.data.datasets import get_source, missing_files

IMAGES, PER_CLASS = 400, 6  # of a data set, and at least of each class
LARGE, LARGE_IMAGES = 64, 100  # fewer where they are asked for with longer sides than that
FEW_CLASSES = 10  # that a synthetic data set has where the real one has any number
FOLDER = "synthetic"
HOLDOUT = 0.2  # of so few images a larger one would leave little


def write_stand_in(name: str, options: Mapping[str, Any], cache: Path) -> Path:
    """Write synthetic files for the data set `name` into `cache`, and return the root to read them from.

    StudyError where its format cannot be written.
    """
    from trainables.data.fixtures import WRITERS, write_synthetic

    if name not in WRITERS:
        raise StudyError(
            f"data set '{name}': its files are not there, and no synthetic ones can be made in their place"
        )
    form = {"extra": True} if options.get("extra") else {}
    per_class = max(PER_CLASS, num_images(options) // (num_classes(name) or FEW_CLASSES))
    return write_synthetic(name, cache / FOLDER / "-".join([name, *form]), images_per_class=per_class, **form)


def num_images(options: Mapping[str, Any]) -> int:
    """How many images are enough to see that something works."""
    return LARGE_IMAGES if (options.get("size") or 0) > LARGE else IMAGES


def num_classes(name: str) -> int:
    """How many classes a data set has; 0 where that depends on its files."""
    said = get_source(name).classes
    return int(said) if said.isdigit() else 0


def published_images(dataset: DatasetSpec) -> int | None:
    """How many images the pool of a data set should have, by what was published; None where that says nothing.

    Classes are taken to be of equal size where some are left out.
    """
    options, every = dataset.model_extra or {}, num_classes(dataset.name)
    counts = re.fullmatch(r"([\d,]+)( \(\+ ([\d,]+)\))? \+ [\d,]+", get_source(dataset.name).images)
    if counts is None or not every:
        return None
    whole = _number(counts[1]) + (_number(counts[3]) if counts[3] and options.get("extra") else 0)
    left = len(options.get("classes") or ()) or every - len(options.get("leave_out") or ())
    return min(round(whole * left / every), options.get("limit") or whole)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


@dataclass(frozen=True)
class Assumed:
    """A plan of a study some of whose data is not there.

    `said` has a line for each such data set; `sized` says whether the number of images of all of them is known.
    """

    plan: Plan
    said: tuple[str, ...]
    sized: bool


def plan_without_data(spec: StudySpec, cache: Path) -> Assumed:
    """The plan of a study, of synthetic images where files are missing and in the numbers that were published.

    StudyError as `make_plan` says, and where the noise or the classes asked for depend on the files that are missing.
    """
    missing = [missing_files(dataset.described) for dataset in spec.dataset]
    if not any(missing):
        return Assumed(make_plan(spec, cache), (), sized=True)
    used = [
        _stand_in(dataset, cache) if lacks else dataset for dataset, lacks in zip(spec.dataset, missing, strict=True)
    ]
    if any(noise.kind == "file" for noise in spec.noise):  # one label for each image
        raise StudyError(next(lacks for lacks in missing if lacks))
    try:
        plan = make_plan(spec.model_copy(update={"dataset": used}), cache)
    except StudyError as problem:
        raise StudyError(f"{next(lacks for lacks in missing if lacks)} ({problem})") from None
    sizes = {dataset.title: _num_train(dataset) for dataset, lacks in zip(spec.dataset, missing, strict=True) if lacks}
    tasks = {
        cell.task.title: replace(cell.task, num_train=sizes.get(cell.task.dataset.title) or cell.task.num_train)
        for cell in plan.cells
    }
    cells = tuple(Cell(spec, tasks[cell.task.title], cell.family) for cell in plan.cells)
    said = tuple(_said(dataset, lacks) for dataset, lacks in zip(spec.dataset, missing, strict=True) if lacks)
    return Assumed(Plan(spec, cells), said, sized=None not in sizes.values())


def _stand_in(dataset: DatasetSpec, cache: Path) -> DatasetSpec:
    """A data set of the same title, options and classes on synthetic images."""
    values = dataset.model_dump() | {"holdout": HOLDOUT}
    values.pop("limit", None)
    made = DatasetSpec.model_validate(values | {"root": write_stand_in(dataset.name, values, cache)})
    return made.model_copy(update={"label": dataset.title})


def _num_train(dataset: DatasetSpec) -> int | None:
    images = published_images(dataset)
    if images is None:
        return None
    return images - int(dataset.holdout if dataset.holdout >= 1 else round(dataset.holdout * images))


def _said(dataset: DatasetSpec, lacks: str) -> str:
    images = published_images(dataset)
    counted = f"its size is the published one ({images:,} images)" if images else "its size is not known"
    return f"{lacks}. Nothing of it was checked: {counted}, and synthetic images stand in for its own"
