"""Labels that fit into a figure: lines no longer than its panels are high or wide, tick labels that do not touch."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Bbox

GAP = 3.0  # points between two tick labels
SLANT = 30  # degrees, of names that would touch


def label_rows(figure: Figure, text: str) -> None:
    """Call what all panels' vertical axes show by one name at their middle, in lines no longer than they are high.

    The figure has its panels and its legend.
    """
    label = figure.supylabel(text)
    figure.draw_without_rendering()  # places the panels
    high = Bbox.union([axes.get_window_extent() for axes in figure.axes])
    label.set_text(wrapped(label, high.height))
    figure.supylabel(
        label.get_text(), y=float(figure.transFigure.inverted().transform((0, (high.y0 + high.y1) / 2))[1])
    )


def wrapped(label: Text, longest: float) -> str:
    """A label's words in lines of at most `longest` pixels; a word that is longer has a line of its own."""
    axis = 1 if label.get_rotation() == 90 else 0
    lines: list[str] = []
    original = label.get_text()
    for word in original.split():
        label.set_text(f"{lines[-1]} {word}" if lines else word)
        if lines and label.get_window_extent().size[axis] <= longest:
            lines[-1] = label.get_text()
        else:
            lines.append(word)
    label.set_text(original)
    return "\n".join(lines)


def wrap_titles(figure: Figure) -> None:
    """Break panels' titles into lines that end before the next panel, or the figure, does. The figure is whole."""
    figure.draw_without_rendering()
    boxes = {axes: axes.get_window_extent() for axes in figure.axes}
    for axes, box in boxes.items():
        title = left_title(axes)
        beside = [each.x0 for each in boxes.values() if each.x0 > box.x0 and each.y0 < box.y1 and each.y1 > box.y0]
        longest = min([*beside, figure.bbox.x1]) - box.x0 - GAP * figure.dpi / 72
        if title.get_window_extent().width > longest:
            title.set_text(wrapped(title, longest))


def left_title(axes: Axes) -> Text:
    """The text of a panel's title, which begins where the panel does."""
    said = axes.get_title(loc="left")
    found = (
        each for each in axes.get_children() if isinstance(each, Text) and each.get_horizontalalignment() == "left"
    )
    return next(text for text in found if text.get_text() == said)


def part_ticks(figure: Figure) -> None:
    """Slant names that would touch along a horizontal axis, and put numbers that would in a second line.

    Numbers that have no room there either are left out; their ticks stay. Of ticks that were set alone, once the figure
    is whole. The first and the last number stay where both have room.
    """
    figure.draw_without_rendering()
    for axes in figure.axes:
        if not isinstance(axes.xaxis.get_major_locator(), FixedLocator):
            continue
        labels = axes.get_xticklabels()
        kept = _apart(labels)
        if len(kept) == len(labels):
            continue
        if all(_is_number(label.get_text()) for label in labels):
            below = _apart([label for label in labels if label not in kept])
            texts = {label: label.get_text() if label in kept else f"\n{label.get_text()}" for label in [*kept, *below]}
            axes.set_xticks(axes.get_xticks(), [texts.get(label, "") for label in labels])
        else:
            _slant(axes)


def _apart(labels: Sequence[Text]) -> list[Text]:
    """Those that stand when, from the left, each that touches the one before it goes, and the last one stays."""
    if len(labels) < 2:
        return list(labels)
    extents = {label: label.get_window_extent() for label in labels}
    boxes = dict(sorted(extents.items(), key=lambda item: item[1].x0 + item[1].x1))
    figure = labels[0].get_figure(root=True)
    assert figure is not None
    gap = GAP * figure.dpi / 72
    *others, last = boxes
    kept: list[Text] = []
    for label in others:
        if not kept or boxes[label].x0 >= boxes[kept[-1]].x1 + gap:
            kept.append(label)
    while len(kept) > 1 and boxes[last].x0 < boxes[kept[-1]].x1 + gap:
        kept.pop()
    return [*kept, last] if not kept or boxes[last].x0 >= boxes[kept[-1]].x1 + gap else kept


def _slant(axes: Axes) -> None:
    for label in axes.get_xticklabels():
        label.set(rotation=SLANT, ha="right", rotation_mode="anchor")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
