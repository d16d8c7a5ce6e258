"""study export"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from study.cli.output import AsJson, StudyName, console, print_json, program
from study.errors import StudyError

if TYPE_CHECKING:
    from study.export import Exported
    from study.export.registry import Registered


def export(
    name: StudyName,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to; default: best/ in its folder.")
    ] = None,
    form: Annotated[Literal["yaml", "json"], typer.Option("--format", help="Of the files.")] = "yaml",
    top: Annotated[int, typer.Option("--top", metavar="K", min=1, help="The K best configs of each cell.")] = 1,
    weights: Annotated[bool, typer.Option("--weights/--no-weights", help="Write weights beside each file.")] = True,
    register: Annotated[
        bool, typer.Option("--register", help="Bring the best of each cell into MLflow's model registry too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write each cell's best config as YAML or JSON, with a model card, and its weights as safetensors beside it.

    Confirmed configs come with their test numbers. Example: study export quickstart --out best
    """
    from study.export import export_study
    from study.records.paths import Home

    home = Home.current()
    paths = home.existing(name)
    if register and not weights:
        raise StudyError("--register needs weights; leave out --no-weights")
    exported = export_study(paths, out or paths.best, form=form, top=top, weights=weights)
    registered = None
    if register:
        from study.export.registry import register as bring

        registered = bring(exported.files, paths, home)
    if as_json:
        print_json(
            {
                "study": name,
                "files": [str(path) for path in exported.files],
                "left_out": exported.left_out,
                "notes": exported.notes,
                "registered": registered.as_json() if registered else None,
            }
        )
    else:
        _print(exported, registered)
    if not exported.files:
        raise typer.Exit(1)


def _print(exported: Exported, registered: Registered | None) -> None:
    for path in exported.files:
        console.print(str(path))
    for sentence in exported.left_out:
        console.print(f"[yellow]left out[/] {sentence}")
    for sentence in [*exported.notes, *(registered.notes if registered else [])]:
        console.print(f"[yellow]note[/] {sentence}")
    if exported.files:
        console.print(f"Retrain one, without Ray: {program()} train {exported.files[0]}")
    else:
        console.print("Nothing was exported; configs without their weights are, with --no-weights")
    if registered:
        for version in registered.versions:
            aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
            console.print(f"models:/{registered.model}/{version.version}{aliases}: {version.title}")
        for address in registered.champions:
            console.print(f"In MLflow at {registered.store}: mlflow.pytorch.load_model('{address}')")
