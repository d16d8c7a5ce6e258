"""Which classes are taken for which, beside the similarity of classes that a loss was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from study.report.document import Block, Paragraph, Picture, Section, slug
from study.report.gather import Material
from study.report.heatmap import Matrix, draw_matrices
from study.results.selection import CellResult
from study.storage.checkpoints import checkpoint_here
from trainables.data.datasets import load_pool
from trainables.data.task import load_task
from trainables.engine.checkpoint_files import CorruptCheckpointError, kept_confusion
from trainables.losses.families import Similarity, get_family


def section(material: Material) -> Section | None:
    """For each task the best family of the search and, where that has none, the best one with a class similarity."""
    pictures: list[Block] = []
    for task, cells in material.tasks.items():
        for cell in _chosen(material, cells):
            picture = _picture(material, task, cell)
            if picture is not None:
                pictures.append(picture)
    if not pictures:
        return None
    text = (
        "Confusion of the best config of the search at its chosen epoch, in shares of a row: of the validation images "
        "with a label, how many were predicted as each class. Labels are those that training sees: under noise the row "
        "of a label holds images of other classes too. The similarity, where the loss has one, is what it was given; "
        "that both look alike would be a reason for such a loss, not a proof that it helped."
    )
    return Section("Classes", (Paragraph(text), *pictures))


def _chosen(material: Material, cells: Sequence[CellResult]) -> list[CellResult]:
    sign = 1 if material.select.mode == "max" else -1
    scored = sorted(
        (cell for cell in cells if cell.best), key=lambda cell: -sign * (cell.best.mean if cell.best else 0)
    )
    similar = [cell for cell in scored if isinstance(_described(material, cell)["loss"].get("similarity"), Mapping)]
    return list({cell.key: cell for cell in [*scored[:1], *similar[:1]]}.values())


def _described(material: Material, cell: CellResult) -> Mapping[str, Any]:
    assert cell.best is not None
    return material.described[cell.best.trials[0].key]


def _picture(material: Material, task: str, cell: CellResult) -> Picture | None:
    assert cell.best is not None
    counts = [each for trial in cell.best.trials if (each := _confusion(material, trial.key)) is not None]
    trial = _described(material, cell)
    matrices: list[Matrix] = []
    if counts:
        total = np.sum(counts, axis=0)
        shares = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
        matrices.append(("Confusion", shares, ("label", "predicted")))
    matrices += _similarity(material, trial)
    if not counts:
        return None
    names = class_names(material, trial, len(matrices[0][1]))
    label = cell.facts["label"]
    caption = (
        f"{label}, best config; confusion summed over repeats, n = {len(counts)} ({int(total.sum()):,} predictions). "
        "Colours span what lies off the diagonal, which is grey; an empty cell is 0."
    )
    return Picture(f"classes-{slug(label)}-{slug(task)}", f"{label} on {task}", caption, draw_matrices(matrices, names))


def _confusion(material: Material, key: str) -> np.ndarray | None:
    try:
        return kept_confusion(checkpoint_here(material.paths, key), material.select.epoch)
    except (OSError, ValueError, LookupError, CorruptCheckpointError):  # given back to make room, or damaged
        return None


def _similarity(material: Material, trial: Mapping[str, Any]) -> list[Matrix]:
    """The matrix that a trial's loss was made with; none where it has none, or its data are gone."""
    value = trial["loss"].get("similarity")
    if not isinstance(value, Mapping):
        return []
    try:
        kind = get_family(trial["loss"]["family"]).hyperparameters["similarity"]
        data = load_task(trial["dataset"], trial["split"], trial["noise"], material.home.cache)
        raw = isinstance(kind, Similarity) and kind.raw
        matrix = data.likeness(value) if raw else data.similarity(value)
    except (OSError, ValueError, KeyError, ImportError):
        return []
    return [(f"{'Likeness' if raw else 'Similarity'} '{value['name']}'", matrix, ("class", "is like"))]


def class_names(material: Material, trial: Mapping[str, Any], count: int) -> Sequence[str]:
    """The classes' names; numbers where the data set is gone."""
    try:
        return load_pool(trial["dataset"], material.home.cache).class_names
    except (OSError, ValueError, ImportError):
        return [str(number) for number in range(count)]
