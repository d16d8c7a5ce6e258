"""How far confidence is from accuracy, before and after temperature scaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from study.records.ledger import CONFIRM
from study.report.document import Block, Entry, Paragraph, Picture, Section, Table, slug
from study.report.gather import Material, by_task
from study.report.look import INK, Look, panels
from study.report.words import NOTHING, common_n, repeats_words, score_text, with_n
from study.results.selection import CellResult
from study.storage.checkpoints import checkpoint_here
from trainables.engine.checkpoint_files import CorruptCheckpointError, kept_calibration

METRICS = {"ECE": "ece", "ECE, scaled": "ece_scaled", "temperature": "temperature", "NLL": "loss", "Brier": "brier"}
COLUMNS = 4  # of panels
TRUE = 1  # of noisy and true labels, as a checkpoint keeps them
FEWEST = 10  # images of a bin that is drawn
Style = dict[str, Any]
FILLED: Style = {"linestyle": "-", "linewidth": 1.1, "markersize": 3.5}
HOLLOW: Style = {"linestyle": (0, (1, 1.2)), "linewidth": 0.9, "markersize": 4.5, "markerfacecolor": "none"}


def section(material: Material) -> Section | None:
    """A table and, where bins were kept, a figure for each task; None where no calibration error was reported."""
    confirmed = material.comparison.phase == CONFIRM
    tables = [
        table
        for task, cells in by_task(material.judged).items()
        if (table := _table(material, task, cells, confirmed)) is not None
    ]
    if not tables:
        return None
    text = (
        f"Of each family's best config, on {_images(confirmed)} against their true labels. "
        "ECE: the expected gap between confidence and accuracy, in 15 bins (Guo et al., 2017); 'scaled' is after one "
        "temperature for the whole network, cross-fitted. Above 1 the temperature says that the network is too sure. "
        "Losses that tame or smooth change confidence by design, so compare the scaled column too."
    )
    pictures = [each for task, cells in material.tasks.items() if (each := _picture(material, task, cells)) is not None]
    if not pictures:
        text += " No bins were kept, so there is no reliability diagram."
    elif confirmed:
        text += (
            " The table and the reliability diagrams are of different images and repeats: the table of the "
            "confirmation's networks on test images, the diagrams of the search's on validation images."
        )
    blocks: list[Block] = [Paragraph(text), *tables, *pictures]
    return Section("Calibration", tuple(blocks))


def _images(confirmed: bool) -> str:
    return "test images" if confirmed else "validation images"


def _table(material: Material, task: str, cells: list[CellResult], confirmed: bool) -> Table | None:
    pattern = "test_{}" if confirmed else "val_{}_clean"
    shown = [cell for cell in cells if cell.best]
    values = {
        (cell.key, name): material.values(cell, pattern.format(metric))
        for cell in shown
        for name, metric in METRICS.items()
    }
    if not any(values[cell.key, "ECE"] for cell in shown):
        return None
    common = common_n(len(found) for found in values.values())
    rows: list[tuple[Entry, ...]] = []
    for cell in shown:
        found = {name: values[cell.key, name] for name in METRICS}
        rows.append(
            (
                cell.facts["label"],
                *(with_n(score_text(v, _digits(name)), len(v), common) if v else NOTHING for name, v in found.items()),
            )
        )
    return Table(
        f"calibration-{slug(task)}",
        f"Calibration on {_images(confirmed)}: {task}",
        "l" + "r" * len(METRICS),
        ("family", *METRICS),
        tuple(rows),
        repeats_words(common),
    )


def _digits(name: str) -> int:
    """Decimals of a column: a temperature is no share."""
    return 2 if name == "temperature" else 4


def _picture(material: Material, task: str, cells: Sequence[CellResult]) -> Picture | None:
    """Reliability diagrams, a panel for each family whose checkpoints have bins."""
    found = {cell.facts["label"]: bins for cell in cells if len(bins := _bins(material, cell))}
    if not found:
        return None
    figure, grid = panels(len(found), columns=COLUMNS, height=2.1, legend_rows=1)
    for place, (axes, (family, bins)) in enumerate(zip(grid, found.items(), strict=True)):
        _draw(axes, bins.sum(axis=0), material.looks[family])
        axes.set_title(family, fontsize=8.5)
        axes.set_xlabel("confidence" if place + COLUMNS >= len(found) else "")
        axes.set_ylabel("accuracy" if place % COLUMNS == 0 else "")
    figure.legend(
        handles=[
            Line2D([], [], color=INK, marker="o", label="as trained", **FILLED),
            Line2D([], [], color=INK, marker="o", label="after temperature scaling", **HOLLOW),
        ],
        loc="outside lower center",
        ncols=2,
    )
    common = common_n(len(bins) for bins in found.values())
    caption = (
        "Validation images with their true labels, best config of the search at its chosen epoch. The images of "
        f"{_of_repeats(common)} in 15 bins by their confidence; bins of fewer than {FEWEST} images are left out. On "
        "the straight line a network is right as often as it says; below it, it is too sure. Grey: the share of images "
        "in each bin, before scaling."
    )
    return Picture(f"reliability-{slug(task)}", f"Reliability on {_images(confirmed=False)}: {task}", caption, figure)


def _of_repeats(common: int | None) -> str:
    return "all repeats" if common is None else "the one repeat" if common == 1 else f"n = {common} repeats"


def _bins(material: Material, cell: CellResult) -> np.ndarray:
    """What the best config's checkpoints kept, against true labels, `[repeats, 2, 3, 15]`."""
    trials = cell.best.trials if cell.best else ()
    kept = [each for trial in trials if (each := _kept(material, trial.key)) is not None]
    return np.array([each[TRUE] for each in kept if np.isfinite(each).all()])


def _kept(material: Material, key: str) -> np.ndarray | None:
    try:
        return kept_calibration(checkpoint_here(material.paths, key), material.select.epoch)
    except (OSError, ValueError, LookupError, CorruptCheckpointError):  # given back to make room, or damaged
        return None


def _draw(axes: Axes, bins: np.ndarray, look: Look) -> None:
    """Bins `[2, 3, 15]`, before and after temperature scaling."""
    images = bins[0, 0]
    edges = np.arange(len(images)) / len(images)
    axes.bar(edges, images / images.sum(), width=1 / len(images), align="edge", color=INK, alpha=0.12, lw=0)
    axes.plot([0, 1], [0, 1], color=INK, lw=0.6)
    for (count, confidence, right), how in zip(bins, (FILLED, HOLLOW), strict=True):
        shown = count >= FEWEST
        xs, ys = confidence[shown] / count[shown], right[shown] / count[shown]
        axes.plot(xs, ys, color=look.color, marker=look.marker, **how)
    axes.set(xlim=(0, 1.03), ylim=(0, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), aspect="equal")
