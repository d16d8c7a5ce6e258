"""What losses learned: an epsilon for each class, a mixture of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from study.report.document import Block, Paragraph, Picture, Section, slug
from study.report.gather import Material
from study.report.heatmap import draw_matrices
from study.report.look import new_figure
from study.report.parts.classes import class_names
from study.results import CellResult
from trainables.engine.checkpoint_files import CorruptCheckpointError, kept_arrays


def section(material: Material) -> Section | None:
    """A figure for each array of each family that learns one, in each task."""
    pictures: list[Block] = []
    for task, cells in material.tasks.items():
        for cell in cells:
            pictures += _pictures(material, task, cell)
    if not pictures:
        return None
    text = (
        "At the chosen epoch of the best config. What is learned depends on the penalties as much as on the data: a "
        "value is evidence about classes only where it moved from where it started, and moved alike in every repeat."
    )
    return Section("What the losses learned", (Paragraph(text), *pictures))


def _pictures(material: Material, task: str, cell: CellResult) -> list[Picture]:
    if cell.best is None:
        return []
    kept = [each for trial in cell.best.trials if (each := _arrays(material, trial.key))]
    found, label = [], cell.facts["label"]
    names = kept[0] if kept else {}
    for name in names:
        values = np.array([each[name] for each in kept if name in each])
        if not np.isfinite(values).all() or values.ndim not in (2, 3):
            continue
        classes = class_names(material, material.described[cell.best.trials[0].key], values.shape[1])
        n = len(values)
        if values.ndim == 3:
            figure = draw_matrices([(f"Learned {name}", values.mean(axis=0), ("class", "mixed with"))], classes)
            caption = f"Mean over n = {n} repeats." if n > 1 else "n = 1 repeat."
            caption += " Colours span what lies off the diagonal, which is grey."
        else:
            figure = _bars(values, classes, name)
            caption = f"Mean ± standard deviation over n = {n} repeats." if n > 1 else "n = 1 repeat: no spread."
        found.append(
            Picture(f"learned-{slug(label)}-{slug(name)}-{slug(task)}", f"{name} of {label} on {task}", caption, figure)
        )
    return found


def _arrays(material: Material, key: str) -> dict[str, np.ndarray]:
    try:
        return kept_arrays(material.paths.checkpoint(key), material.select.epoch)
    except (OSError, ValueError, LookupError, CorruptCheckpointError):
        return {}


def _bars(values: np.ndarray, classes: Sequence[str], name: str) -> Figure:
    figure = new_figure(2.2)
    axes = figure.subplots()
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
    many = len(classes) > 40
    axes.bar(range(len(classes)), values.mean(axis=0), yerr=None if many else spread, color="#0072b2", alpha=0.8)
    if not many:
        axes.set_xticks(range(len(classes)), classes, rotation=90 if max(map(len, classes)) > 3 else 0)
    axes.set(xlabel="class", ylabel=name)
    axes.grid(axis="x", visible=False)
    return figure
