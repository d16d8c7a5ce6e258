"""What becomes of wrong training labels, epoch by epoch."""

from __future__ import annotations

from study.report.document import Block, Paragraph, Section
from study.report.gather import Material
from study.report.parts.curves import curve_pictures, has_curve

METRICS = {"train_memorised": "predicted as the wrong label", "train_still_true": "predicted as the true class"}


def section(material: Material) -> Section | None:
    """Figures for each task with wrong labels; None where no task has any."""
    pictures: list[Block] = []
    caption = _caption(augmented=bool(material.spec["training"].get("augment")))
    for task, cells in material.tasks.items():
        shown = METRICS if any(has_curve(material, cells, metric) for metric in METRICS) else {}
        for picture in curve_pictures(material, "memorisation", task, cells, shown, caption):
            for axes in picture.figure.axes:
                axes.set_ylim(bottom=0)
            pictures.append(picture)
    if not pictures:
        return None
    text = (
        "Of the training images whose label is wrong: the share that the network predicts as that wrong label has been "
        "learned by heart; the share that it predicts as the true class was seen through. Best config "
        "of each family."
    )
    return Section("Memorisation of wrong labels", (Paragraph(text), *pictures))


def _caption(*, augmented: bool) -> str:
    return (
        "Line: mean over repeats. Band: ± standard deviation over repeats; none for a single repeat. Measured on "
        f"{'augmented ' if augmented else ''}training batches while the weights move, so a little behind the epoch's "
        "end. Axes leave out what lies far from most; a panel names families that end outside it."
    )
