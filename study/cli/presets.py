"""study presets"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from study.cli.output import AsJson, console, print_json


def presets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this preset's file.")] = None,
    as_json: AsJson = False,
) -> None:
    """The shipped studies, or the text of one: copy it to begin a study of your own.

    Example: study presets quickstart > mine.yaml
    """
    from study.records.paths import find_study_file
    from study.spec.preset import read_presets

    if name is not None:
        text = find_study_file(name).read_text(encoding="utf-8")
        print_json({"name": name, "text": text}) if as_json else print(text, end="")
        return
    shipped = read_presets()
    if as_json:
        print_json(
            [
                {
                    "preset": preset.name,
                    "description": preset.description,
                    "source": preset.source,
                    "cost": preset.cost,
                    "notes": preset.notes,
                    "paper": preset.paper.model_dump(exclude_unset=True) if preset.paper else None,
                }
                for preset in shipped
            ]
        )
        return
    table = Table(Column("preset", no_wrap=True), "description", "source", "cost")
    for preset, following in zip(shipped, [*shipped[1:], None], strict=True):
        ends_group = following is not None and following.group != preset.group
        table.add_row(preset.name, preset.description, preset.source, preset.cost, end_section=ends_group)
    console.print(table)
    console.print("Launch one: study launch NAME. See or copy one: study presets NAME")
