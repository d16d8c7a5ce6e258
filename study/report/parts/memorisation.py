"""What becomes of wrong training labels, epoch by epoch."""

from __future__ import annotations

from study.report.document import Block, Paragraph, Picture, Section, slug
from study.report.gather import Material
from study.report.parts.curves import curve_of, draw_curves

METRICS = ("train_memorised", "train_still_true")


def section(material: Material) -> Section | None:
    """A figure for each task with wrong labels; None where no task has any."""
    pictures: list[Block] = []
    caption = _caption(augmented=bool(material.spec["training"].get("augment")))
    for task, cells in material.tasks.items():
        if any(len(curve_of(material, cell, name)[0]) > 1 for cell in cells for name in METRICS):
            figure = draw_curves(material, cells, METRICS)
            left, right = figure.axes[:2]
            left.set_title("predicted as the wrong label", fontsize=8.5)
            right.set_title("predicted as the true class", fontsize=8.5)
            for axes in (left, right):
                axes.set_ylim(bottom=0)
            pictures.append(Picture(f"memorisation-{slug(task)}", task, caption, figure))
    if not pictures:
        return None
    text = (
        "Of the training images whose label is wrong: the share that the network predicts as that wrong label has been "
        "learned by heart (left); the share that it predicts as the true class was seen through (right). Best config "
        "of each family."
    )
    return Section("Memorisation of wrong labels", (Paragraph(text), *pictures))


def _caption(*, augmented: bool) -> str:
    return (
        "Line: mean over repeats. Band: ± standard deviation over repeats; none for a single repeat. Measured on "
        f"{'augmented ' if augmented else ''}training batches while the weights move, so a little behind the epoch's "
        "end. Axes leave out what lies far from most; a panel names families that end outside it."
    )
