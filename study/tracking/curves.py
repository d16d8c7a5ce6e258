"""Learning curves of a cell's best config, for its run in a tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

LOSS = "train_loss"
COLOURS, INK = {"noisy": "#d55e00", "clean": "#0072b2"}, "#1c1e21"  # of labels, and of all else


Repeats = Sequence[Sequence[tuple[int, Mapping[str, Any]]]]  # the reports of each


def draw_curves(repeats: Repeats, metric: str, path: Path, title: str) -> bool:
    """Draw `metric` against noisy and clean labels, and the training loss, by epoch; False where there is no curve.

    Lines are means over repeats, bands ± standard deviation; a single repeat has no band.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = {metric: [f"{metric}_{labels}" for labels in COLOURS], LOSS: [LOSS]}
    curves = {name: curve_of(repeats, name) for names in panels.values() for name in names}
    shown = {panel: [name for name in names if len(curves[name][0]) > 1] for panel, names in panels.items()}
    shown = {panel: names for panel, names in shown.items() if names}
    if not shown:
        return False
    figure = Figure(figsize=(1 + 4 * len(shown), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (panel, names) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
        for name in names:
            labels = name.rpartition("_")[2]
            colour, label = COLOURS.get(labels, INK), f"{labels} labels" if labels in COLOURS else None
            epochs, values = curves[name]
            mean = values.mean(axis=0)
            axes.plot(epochs, mean, color=colour, label=label)
            if len(values) > 1:
                sd = values.std(axis=0, ddof=1)
                axes.fill_between(epochs, mean - sd, mean + sd, color=colour, alpha=0.18, lw=0)
        if panel == metric:
            axes.legend(frameon=False)
        axes.set(title=panel.replace("_", " "), xlabel="epoch")
        axes.spines[["top", "right"]].set_visible(False)
        axes.locator_params(axis="x", integer=True)
    band = ", band ± standard deviation" if len(repeats) > 1 else ""
    figure.suptitle(f"{title}\nmean over n = {len(repeats)}{band}", fontsize=10)
    figure.savefig(path, dpi=120)
    return True


def curve_of(repeats: Repeats, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs `[E]` that every repeat reported, and the metric there, `[repeats, E]`."""
    found = [
        {epoch: report[metric] for epoch, report in reports if report.get(metric) is not None} for reports in repeats
    ]
    epochs = sorted(set.intersection(*(set(each) for each in found))) if found else []
    return np.array(epochs), np.array([[each[epoch] for epoch in epochs] for each in found])
