"""study export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.cli.output import AsJson, StudyName, console, print_json, program


def export(
    name: StudyName,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to; default: best/ in its folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write each cell's best config as YAML, its weights as safetensors beside it.

    Example: study export quickstart --out best
    """
    from study.export import export_study
    from study.paths import Home

    paths = Home.current().existing(name)
    exported = export_study(paths, out or paths.best)
    if as_json:
        print_json({"study": name, "files": [str(path) for path in exported.files], "left_out": exported.left_out})
        return
    for path in exported.files:
        console.print(str(path))
    for sentence in exported.left_out:
        console.print(f"[yellow]left out[/] {sentence}")
    if exported.files:
        console.print(f"Retrain one, without Ray: {program()} train {exported.files[0]}")
