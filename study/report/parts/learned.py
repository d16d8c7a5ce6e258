"""What losses learned: an epsilon for each class, a mixture of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from study.report.document import Block, Paragraph, Picture, Section, slug
from study.report.gather import Material
from study.report.heatmap import Matrix, draw_matrices, off_diagonal_range
from study.report.look import INK, PALETTE, new_figure
from study.report.parts.classes import class_names
from study.results.selection import CellResult
from study.storage.checkpoints import checkpoint_here
from trainables.data.task import load_task
from trainables.engine.checkpoint_files import CorruptCheckpointError, kept_arrays

NOISE = 2  # standard deviations over repeats, to either side, that a colour range or an axis spans at least
ROUNDING = 1e-4  # of a row's sum, in single precision
CALLED = ("class", "mixed with")


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
        "value is evidence about classes only where it moved from where it started, otherwise than the values of other "
        "classes, and alike in every repeat."
    )
    return Section("What the losses learned", (Paragraph(text), *pictures))


def _pictures(material: Material, task: str, cell: CellResult) -> list[Picture]:
    if cell.best is None:
        return []
    kept = {trial.key: each for trial in cell.best.trials if (each := _arrays(material, trial.key))}
    found, label = [], cell.facts["label"]
    started = {key: _starts(material, material.described[key]) for key in kept}
    for name in next(iter(kept.values()), {}):
        keys = [key for key, each in kept.items() if name in each]
        values = np.array([kept[key][name] for key in keys], dtype=float)
        if not np.isfinite(values).all() or values.ndim not in (2, 3):
            continue
        starts = np.array([started[key][name] for key in keys]) if all(name in started[key] for key in keys) else None
        classes = class_names(material, material.described[cell.best.trials[0].key], values.shape[1])
        if values.ndim == 3:
            figure, caption = _draw_matrices(values, starts, classes, name), _caption_of_matrices(values, starts)
        else:
            figure, caption = _draw_classes(values, starts, classes, name), _caption_of_classes(values, starts)
        found.append(
            Picture(f"learned-{slug(label)}-{slug(name)}-{slug(task)}", f"{name} of {label} on {task}", caption, figure)
        )
    return found


def _arrays(material: Material, key: str) -> dict[str, np.ndarray]:
    try:
        return kept_arrays(checkpoint_here(material.paths, key), material.select.epoch)
    except (OSError, ValueError, LookupError, CorruptCheckpointError):
        return {}


def _starts(material: Material, trial: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What a trial's loss showed before training; empty for one that learns nothing, and where its data are gone."""
    from trainables.engine.resolve import trial_loss

    try:
        data = load_task(trial["dataset"], trial["split"], trial["noise"], material.home.cache)
        loss = trial_loss(trial["loss"], trial["model"], data)
    except (OSError, ValueError, KeyError, ImportError):
        return {}
    learns = any(True for _ in loss.parameters())
    return {name: value.detach().numpy() for name, value in loss.arrays().items()} if learns else {}


def _caption_of_matrices(values: np.ndarray, starts: np.ndarray | None) -> str:
    """Of `[repeats, C, C]`."""
    n, off = len(values), ~np.eye(values.shape[1], dtype=bool)
    said = (
        f"Mean and standard deviation (sd) over n = {n} repeats." if n > 1 else "n = 1 repeat: no spread can be given."
    )
    said += " Colours span what lies off the diagonal of each matrix by itself, which is grey"
    said += f", and no less than ±{NOISE} sd. " if n > 1 else ". "
    said += _sums_in_words(values, starts)
    return said + (_moves_in_words(values[:, off] - starts[:, off]) if starts is not None else "")


def _sums_in_words(values: np.ndarray, starts: np.ndarray | None) -> str:
    """What the rows of `[repeats, C, C]` sum to, and why."""
    sums = values.sum(axis=-1)
    if np.allclose(sums, 1, atol=ROUNDING):
        return "Rows sum to 1: they are shares, whatever is learned."
    of_start = "" if starts is None else f" from {starts.sum(axis=-1).mean():.3g} at the start"
    return (
        f"Rows sum to {sums.mean():.3g} ({sums.min():.3g} to {sums.max():.3g}){of_start}: nothing but penalties holds "
        "them at 1, and they settle where the penalties and the loss balance, which says nothing about classes."
    )


def _caption_of_classes(values: np.ndarray, starts: np.ndarray | None) -> str:
    """Of `[repeats, C]`."""
    n = len(values)
    said = (
        f"Mark: mean; line: ± standard deviation over n = {n} repeats; ticks: repeats. The axis spans no less than "
        f"±{NOISE} standard deviations."
        if n > 1
        else "n = 1 repeat: no spread can be given."
    )
    if starts is None:
        return said
    return f"{said} Dashed: where each started.{_moves_in_words(values - starts)}"


def _moves_in_words(moves: np.ndarray) -> str:
    """How values moved, `[repeats, entries]`, and how many otherwise than the rest, alike in every repeat."""
    n, entries = moves.shape
    said = f" On average an entry moved by {moves.mean():+.3g}".replace("-", "−")
    if n < 2:
        return f"{said}."
    beyond = moves - moves.mean(axis=1, keepdims=True)
    alike = int(((beyond > 0).all(axis=0) | (beyond < 0).all(axis=0)).sum())
    return (
        f"{said}. Measured from that average, {alike} of {entries} entries moved to the same side in all n = {n} "
        f"repeats; without any tie to classes about {entries * 2 ** (1 - n):.0f} would."
    )


def _pooled(values: np.ndarray) -> float:
    """The standard deviation over repeats of a typical entry of `[repeats, ...]`; 0 for a single repeat."""
    return float(np.sqrt(values.var(axis=0, ddof=1).mean())) if len(values) > 1 else 0.0


def _draw_matrices(values: np.ndarray, starts: np.ndarray | None, classes: Sequence[str], name: str) -> Figure:
    """`[repeats, C, C]`: where it started, where it is, where it moved otherwise than the rest, how repeats differ."""
    mean, noise = values.mean(axis=0), NOISE * _pooled(values)
    matrices: list[Matrix] = [(f"Learned {name}", mean, CALLED)]
    ranges = [_at_least(off_diagonal_range(mean), noise)]
    if starts is not None:
        start = starts.mean(axis=0)
        moved = mean - start - (mean - start)[~np.eye(len(mean), dtype=bool)].mean()
        matrices = [(f"Start of {name}", start, CALLED), *matrices, ("Moved more than the average", moved, CALLED)]
        furthest = max(noise, *map(abs, off_diagonal_range(moved)))
        width = (ranges[0][1] - ranges[0][0]) / 2
        ranges = [_at_least(off_diagonal_range(start), max(noise, width)), *ranges, (-furthest, furthest)]
    if len(values) > 1:
        spread = values.std(axis=0, ddof=1)
        matrices.append((f"sd over n = {len(values)} repeats", spread, CALLED))
        ranges.append(_at_least(off_diagonal_range(spread), 1e-9))
    return draw_matrices(matrices, classes, ranges)


def _at_least(found: tuple[float, float], half: float) -> tuple[float, float]:
    """A range that is widened to either side where it spans less than twice `half`; one of no negatives stays so."""
    low, high = found
    spare = max(0.0, half - (high - low) / 2)
    below = min(spare, low) if low >= 0 else spare
    return low - below, high + 2 * spare - below


def _draw_classes(values: np.ndarray, starts: np.ndarray | None, classes: Sequence[str], name: str) -> Figure:
    """`[repeats, C]`: a mark for each class, from a line where it started."""
    figure = new_figure(2.4)
    axes = figure.subplots()
    places, mean, many = np.arange(len(classes)), values.mean(axis=0), len(classes) > 40
    if starts is not None:
        start = starts.mean(axis=0)
        axes.hlines(start, places - 0.4, places + 0.4, color=INK, lw=1.0, linestyles=(0, (3, 1.2)))
        axes.vlines(places, start, mean, color=PALETTE[0], lw=0.7, alpha=0.5)
    if len(values) > 1 and not many:
        axes.errorbar(places, mean, values.std(axis=0, ddof=1), color=PALETTE[0], ls="none", elinewidth=1.6)
        for repeat in values:
            axes.plot(places + 0.16, repeat, "_", color=PALETTE[0], ms=5, alpha=0.7)
    axes.plot(places, mean, "o", color=PALETTE[0], ms=4)
    low, high = axes.get_ylim()
    spare = max(0.0, NOISE * _pooled(values) - (high - low) / 2)
    axes.set_ylim(low - spare, high + spare)
    if not many:
        axes.set_xticks(places, classes, rotation=90 if max(map(len, classes)) > 3 else 0)
    axes.set(xlabel="class", ylabel=name)
    axes.grid(axis="x", visible=False)
    return figure
