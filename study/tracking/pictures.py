"""Pictures for a tracker: how a cell's best config learned and which classes it takes for which; how similar these are,
what noise made of them, and what a trial's loss learned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from study.records.ledger import Ledger
from study.records.paths import Home, StudyPaths
from study.results.selection import CellResult
from study.spec import SelectSpec
from study.storage.checkpoints import checkpoint_here
from study.tracking.curves import draw_curves
from study.tracking.words import cell_run_name, searched_first, values_text
from trainables.data.datasets import load_pool
from trainables.data.store import content_hash
from trainables.data.task import load_task
from trainables.engine.checkpoint_files import CorruptCheckpointError, kept_arrays, kept_confusion


@dataclass(frozen=True)
class Pictures:
    """Draws the curves, similarities and noise of one study, and what lies in its checkpoints."""

    home: Home
    paths: StudyPaths
    drawn: dict[str, bytes] = field(default_factory=dict)  # what cells share is drawn once

    def draw_cell(self, ledger: Ledger, cell: CellResult, folder: Path) -> list[Path]:
        """Everything that the run of a cell with a best config shows, in `folder`."""
        assert cell.best is not None
        described = ledger.trial(cell.best.trials[0].key)
        select = SelectSpec.model_validate((ledger.spec() or {}).get("select", {}))
        title = " · ".join(
            part
            for part in (
                cell_run_name(cell.facts),
                values_text(searched_first(cell.best.params, cell.facts.get("searched", ()))),
            )
            if part
        )
        curves, reports = folder / "curves.png", [ledger.reports(trial.key) for trial in cell.best.trials]
        return [
            *([curves] if draw_curves(reports, select.metric, curves, title) else []),
            *self.draw_confusion(cell, described, select.epoch, folder),
            *self.draw_similarity(described, folder),
            *self.draw_noise(described, folder),
        ]

    def draw_confusion(self, cell: CellResult, trial: Mapping[str, Any], epoch: str, folder: Path) -> list[Path]:
        """The confusion in validation of a cell's best config, summed over those repeats that still have it."""
        found = [self._confusion(each.key, epoch) for each in (cell.best.trials if cell.best else ())]
        counts = [matrix for matrix in found if matrix is not None]
        if not counts:
            return []
        from trainables.similarity.drawing import draw

        total = np.sum(counts, axis=0)
        shares = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
        try:
            names = load_pool(trial["dataset"], self.home.cache).class_names
        except (OSError, ValueError, ImportError):  # the data set is gone
            names = tuple(map(str, range(len(total))))
        title = f"Confusion, shares of a label's {int(total.sum()):,} validation images, n = {len(counts)}"
        draw(shares, names, folder / "confusion.png", title=title, axes=("label", "predicted"))
        return [folder / "confusion.png"]

    def _confusion(self, trial_key: str, epoch: str) -> np.ndarray | None:
        try:
            return kept_confusion(checkpoint_here(self.paths, trial_key), epoch)
        except (OSError, ValueError, LookupError, CorruptCheckpointError):  # given back to make room, or damaged
            return None

    def draw_similarity(self, trial: Mapping[str, Any], folder: Path) -> list[Path]:
        """The class similarity that a trial's loss is made with, in `folder`; none where it has none."""
        value = trial["loss"].get("similarity")
        if not isinstance(value, Mapping):  # SimLoss's class order is its own
            return []
        from trainables.similarity.drawing import draw

        try:
            data = load_task(trial["dataset"], trial["split"], trial["noise"], self.home.cache)
        except (OSError, ValueError, ImportError):  # the data set is gone
            return []
        spread = data.similarity_facts(value)["perplexity"]["mean"]
        others = data.pool.num_classes - 1
        title = f"Class similarity '{value['name']}' (perplexity of a row {spread:.2f} of {others})"
        picture, matrix = folder / "similarity.png", data.similarity(value)
        self._once(picture, title, matrix, lambda: draw(matrix, data.pool.class_names, picture, title=title))
        return [picture]

    def draw_noise(self, trial: Mapping[str, Any], folder: Path) -> list[Path]:
        """What noise did to a trial's labels, in `folder`: its manifest, and where any were changed its transition."""
        from trainables.similarity.drawing import draw

        try:
            data = load_task(trial["dataset"], trial["split"], trial["noise"], self.home.cache)
        except ValueError:  # its file is gone, and so is what was made of it
            return []
        manifest = data.noise_manifest
        text, picture = folder / "noise.json", folder / "noise.png"
        text.write_text(json.dumps(manifest), encoding="utf-8")
        if not manifest["train"]["corrupted"]:
            return [text]
        title = f"Label noise: {manifest['kind']}, {manifest['train']['realised_rate']:.1%} of the training labels"
        matrix = np.array(manifest["transition"])
        axes = ("true class", "label")
        self._once(picture, title, matrix, lambda: draw(matrix, data.pool.class_names, picture, title=title, axes=axes))
        return [text, picture]

    def _once(self, picture: Path, title: str, matrix: np.ndarray, draw: Callable[[], None]) -> None:
        """Draw a picture, or take it from when it was drawn before."""
        what = content_hash(title, matrix)
        if what in self.drawn:
            picture.write_bytes(self.drawn[what])
        else:
            draw()
            self.drawn[what] = picture.read_bytes()

    def draw_learned(self, trial_key: str, trial: Mapping[str, Any], folder: Path) -> list[Path]:
        """Pictures of its best epoch, made in `folder`; none where its loss shows nothing or there is no checkpoint."""
        try:
            arrays = kept_arrays(checkpoint_here(self.paths, trial_key), "best")
        except (OSError, ValueError, LookupError, CorruptCheckpointError):
            return []
        drawn = []
        for name, values in arrays.items():
            names = load_pool(trial["dataset"], self.home.cache).class_names
            path, title = folder / f"{name}.png", f"Learned {name} of {trial['loss']['family']}, best epoch"
            if not np.isfinite(values).all():
                continue
            if values.ndim == 2:
                from trainables.similarity.drawing import draw

                draw(values, names, path, title=title)
            else:
                draw_bars(values, names, path, title)
            drawn.append(path)
        return drawn


def draw_bars(values: np.ndarray, names: Sequence[str], path: Path, title: str) -> None:
    """One bar per class, `[C]`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(5, 0.25 * len(names)), 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.bar(range(len(names)), values)
    axis.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)
    axis.set(title=title, xlabel="class", ylabel="value")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
