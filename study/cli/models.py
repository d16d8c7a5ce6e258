"""study models"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from study.cli.output import AsJson, console, print_json, program
from study.errors import StudyError

CLASSES = {224: 1000}  # by the images' side in pixels; 10 otherwise
COLUMNS = ("model", "what it is", "images, classes", "parameters", "multiply-adds", "arguments", "source")
SHOWN = COLUMNS[:5]  # in a terminal


def models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Show this one; also torchvision.NAME, or one of yours, module:Class."),
    ] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="C,H,W", help="The images: channels, height and width; by default its own.")
    ] = None,
    classes: Annotated[int | None, typer.Option(metavar="N", min=1, help="How many classes; 10, or 1000.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the list as a Markdown table.")] = False,
    as_json: AsJson = False,
) -> None:
    """The networks with their size; or one with its arguments, and the blocks to which msl attaches modules.

    Example: study models resnet20 --shape 1,28,28
    """
    from study.spec.study_file import make_importable
    from trainables.models import MODELS

    make_importable(Path.cwd())
    image_shape = _shape(shape)
    if name is not None:
        _show(_described(name, image_shape, classes), as_json)
        return
    rows = [_described(each, image_shape, classes, listing=True) for each in MODELS]
    if as_json:
        print_json(rows)
        return
    if markdown:
        print(markdown_table(rows))
        return
    table = Table(*(Column(heading, no_wrap=heading != "what it is") for heading in SHOWN))
    for row in rows:
        table.add_row(*map(Text, _cells(row)[: len(SHOWN)]))
    console.print(table, soft_wrap=False)
    console.print(
        "Also any classification network of torchvision, torchvision.NAME, and your own, module:Class. "
        f"One with its arguments: {program()} models resnet_cifar",
        markup=False,
    )


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The networks as README.md shows them."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join([f'`{model}`', *said])} |" for model, *said in map(_cells, rows)]
    return "\n".join(lines)


def _shape(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    try:
        channels, height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise StudyError(f"--shape {text}: give channels, height and width, as in --shape 3,32,32") from None
    if min(channels, height, width) < 1:
        raise StudyError(f"--shape {text}: channels, height and width are at least 1")
    return channels, height, width


def _described(
    name: str, shape: tuple[int, int, int] | None, classes: int | None, *, listing: bool = False
) -> dict[str, Any]:
    """A network and its size at these images, or at those it was made for; a list says where it cannot take them."""
    from trainables.models import complete_model, get_model
    from trainables.models.measure import measure

    try:
        model = get_model(name)
        image = shape or model.usual_image
        classes = classes or CLASSES.get(image[1], 10)
        described = {
            "model": name,
            "title": model.title,
            "source": model.paper,
            "image": list(image),
            "classes": classes,
            "arguments": {
                key: {"range": kind.range, "default": kind.default, "meaning": kind.meaning}
                for key, kind in model.arguments.items()
            },
            "is": complete_model(name, {}),
        }
    except ValueError as problem:
        raise StudyError(str(problem)) from None
    try:
        size = measure(name, image_shape=image, num_classes=classes)
    except ValueError as problem:
        if not listing:
            raise StudyError(str(problem)) from None
        return described | {"parameters": None, "multiply_adds": None, "blocks": [], "refused": str(problem)}
    sizes = {"parameters": size.parameters, "multiply_adds": size.multiply_adds, "blocks": list(size.blocks)}
    return described | sizes | {"refused": None} | ({} if listing else _fused(name, image, classes))


def _fused(name: str, image: tuple[int, int, int], classes: int) -> dict[str, Any]:
    from trainables.engine.stackable import why_alone

    return {"trains_alone": why_alone({"name": name}, image_shape=image, num_classes=classes)}


def _cells(row: Mapping[str, Any]) -> list[str]:
    channels, height, width = row["image"]
    colours = {3: "", 1: " grey"}.get(channels, f" of {channels} channels")
    size = ["too small", ""] if row["refused"] else [_count(row["parameters"]), _count(row["multiply_adds"])]
    arguments = ", ".join(f"`{argument}`" for argument in row["arguments"])
    images = f"{height}x{width}{colours}, {row['classes']}"
    return [row["model"], row["title"], images, *size, arguments, row["source"]]


def _count(number: int) -> str:
    """Three digits and a unit: `270 k`, `40.6 M`, `5.24 G`."""
    value, unit = float(number), ""
    for larger in ("k", "M", "G"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits if unit else 0}f} {unit}".strip()


def _show(facts: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    from study.spec.yaml_file import to_yaml

    console.print(f"{facts['model']}: {facts['title']}\n  {facts['source']}", markup=False)
    table = Table("argument", "range", "default", "meaning")
    for key, argument in facts["arguments"].items():
        table.add_row(*map(Text, (key, argument["range"], f"{argument['default']}", argument["meaning"])))
    if facts["arguments"]:
        console.print(table, soft_wrap=False)
    console.print(
        f"For images of {'x'.join(map(str, facts['image']))} and {facts['classes']} classes: "
        f"{facts['parameters']:,} parameters, {facts['multiply_adds']:,} multiply-adds an image."
    )
    console.print(f"Blocks: {', '.join(facts['blocks']) or 'not stated; any of its submodules can be named'}")
    alone = facts["trains_alone"]
    console.print(f"Lanes: {'one at a time: ' + alone if alone else 'any number train as one program'}", markup=False)
    console.print(f"In a study file, all of it:\n{to_yaml({'model': facts['is']})}", markup=False)
