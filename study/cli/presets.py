"""study presets"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from study.cli.output import AsJson, console, print_json


def presets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this preset's file.")] = None,
    as_json: AsJson = False,
) -> None:
    """The shipped studies, or the text of one: copy it to begin a study of your own.

    Example: study presets quickstart > mine.yaml
    """
    from study.paths import find_study_file, preset_names
    from study.study_file import load_spec

    if name is not None:
        text = find_study_file(name).read_text(encoding="utf-8")
        print_json({"name": name, "text": text}) if as_json else print(text, end="")
        return
    rows = []
    for preset in preset_names():
        spec, document = load_spec(find_study_file(preset))
        notes = [line.removeprefix("#").strip() for line in document.text.splitlines() if line.startswith("#")]
        cost = next((line.removeprefix("Cost").strip() for line in notes if line.startswith("Cost")), "")
        rows.append({"preset": preset, "description": spec.description, "cost": cost})
    if as_json:
        print_json(rows)
        return
    table = Table("preset", "description", "cost")
    for row in rows:
        table.add_row(*row.values())
    console.print(table)
    console.print("Launch one: study launch NAME. See or copy one: study presets NAME")
