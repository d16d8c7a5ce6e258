"""study predict"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.cli.output import AsJson, console, print_json


def predict(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A YAML or JSON file that 'study export' wrote.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    top: Annotated[int, typer.Option("--top", metavar="K", min=1, help="So many classes.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Let an exported network judge images: the likeliest classes with their probabilities.

    Example: study predict studies/quickstart/best/tce-clean.yaml digit.png
    """
    from study.export.use import predict as run

    predictions = run(file, images, top=top)
    if as_json:
        print_json(
            [
                {
                    "image": str(prediction.image),
                    "changed": prediction.changed,
                    "classes": [{"name": name, "probability": share} for name, share in prediction.classes],
                }
                for prediction in predictions
            ]
        )
        return
    for prediction in predictions:
        console.print(f"{prediction.image}: " + ", ".join(f"{name} {share:.1%}" for name, share in prediction.classes))
        if prediction.changed:
            console.print(f"  [yellow]note[/] {prediction.changed}")
