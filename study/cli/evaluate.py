"""study evaluate"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from study.cli.output import AsJson, DataRoot, console, print_json


def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A YAML or JSON file that 'study export' wrote.")],
    data: DataRoot = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="NAME", help="Another data set than it was trained on.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure an exported network on the test part of a data set, whose labels it reads.

    To choose between configurations by it is to select on the test set: 'study confirm' judges those that were chosen.
    Example: study evaluate studies/quickstart/best/tce-clean.yaml
    """
    from study.export.use import evaluate as run
    from study.records.paths import Home

    evaluation = run(file, Home.current().cache, root=data, dataset=dataset)
    if as_json:
        print_json({"file": str(file), **asdict(evaluation)})
        return
    table = Table("metric", "value", title=f"{evaluation.dataset}, {evaluation.images} test images, one network")
    for name, value in evaluation.metrics.items():
        table.add_row(name, f"{value:.4f}")
    console.print(table)
    for note in evaluation.notes:
        console.print(f"[yellow]note[/] {note}")
