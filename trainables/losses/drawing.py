"""A loss as a picture: the loss of one sample and its gradient, against the probability of its label."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from trainables.losses.dataless import dataless_loss

NUM_CLASSES = 10
CROSS_ENTROPY = {"color": "black", "linestyle": "--", "linewidth": 1.2, "zorder": 3}  # over a curve that is the same


def loss_curve(name: str, settings: Mapping[str, Any], probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and its gradient with respect to the label's logit, both `[N]`, at `probabilities` `[N]` of the label.

    The other classes share the rest alike. What is added once per batch is left out.
    """
    loss = dataless_loss(name, NUM_CLASSES, settings).eval()
    logits = torch.zeros(len(probabilities), NUM_CLASSES, dtype=torch.float64)
    logits[:, 0] = (probabilities * (NUM_CLASSES - 1) / (1 - probabilities)).log()
    logits.requires_grad_()
    targets = torch.zeros(len(probabilities), dtype=torch.long)
    values: Tensor = loss(logits, targets, torch.arange(len(probabilities)), reduction="none")
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    return values.detach(), gradient[:, 0]


def shows(name: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the curves of these settings differ: not those of a loss that differs between batches or in training."""
    return len(_distinct(name, settings, torch.linspace(0.05, 0.95, 10, dtype=torch.float64))) > 1


def _distinct(
    name: str, settings: Sequence[Mapping[str, Any]], probabilities: Tensor
) -> list[tuple[Mapping[str, Any], tuple[Tensor, Tensor]]]:
    """Settings with their curves, those left out whose curves were there before."""
    found: list[tuple[Mapping[str, Any], tuple[Tensor, Tensor]]] = []
    for setting in settings:
        curves = loss_curve(name, setting, probabilities)
        if not any(torch.allclose(curves[0], others[0]) for _, others in found):
            found.append((setting, curves))
    return found


def draw_loss(name: str, settings: Sequence[Mapping[str, Any]], path: Path, *, title: str = "") -> None:
    """Draw one curve per setting, cross entropy beside them, as PNG or SVG by the ending of `path`."""
    probabilities = torch.linspace(0.002, 0.998, 400, dtype=torch.float64)
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    cross_entropy, shown = loss_curve("ce", {}, probabilities), _distinct(name, settings, probabilities)
    for values, axis in zip(cross_entropy, axes, strict=True):
        axis.plot(probabilities, values, label="cross entropy", **CROSS_ENTROPY)
    for setting, curves in shown:
        label = ", ".join(f"{key} = {value:g}" for key, value in setting.items()) or name
        for values, axis in zip(curves, axes, strict=True):
            axis.plot(probabilities, values, label=label, zorder=2)
    for axis, ylabel in zip(axes, ("loss", "gradient with respect to the label's logit"), strict=True):
        axis.set(xlabel=f"probability of the label, {NUM_CLASSES} classes", ylabel=ylabel, xlim=(0, 1))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(bottom=min(0.0, axes[0].get_ylim()[0]), top=min(6.0, axes[0].get_ylim()[1]))
    axes[0].legend(frameon=False)
    if all(torch.allclose(curves[0], cross_entropy[0]) for _, curves in shown):
        figure.supxlabel(
            "One sample's loss is cross entropy's: it differs between samples, or while training.", fontsize=9
        )
    figure.suptitle("\n".join(textwrap.wrap(title or name, 100)))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
