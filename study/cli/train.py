"""study train"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

import typer

from study.cli.output import AsJson, DataRoot, console, print_json
from study.errors import StudyError

LANED = 0.03  # how far the score of a config that trained among others may be from that of the same alone


def train(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A YAML or JSON file that 'study export' wrote.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Keep a checkpoint and the best weights there."),
    ] = None,
    data: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Retrain an exported config, without Ray; ends with 1 where the validation score is another than exported.

    One that trained in a lane among others is retrained alone, and may differ by a little.

    Example: study train studies/quickstart/best/tce-clean.yaml
    """
    from study.export import read_export
    from study.records.paths import Home
    from study.spec.study_file import make_importable

    exported = read_export(file)
    for folder in (file.absolute().parent, Path.cwd()):
        make_importable(folder)
    import torch

    from trainables.data.datasets import takes_root
    from trainables.engine.session import Session

    trial, run, expected = exported["trial"], exported["run"], exported["exported"]
    if data is not None and takes_root(trial["dataset"]["name"]):  # the exported root may be another machine's
        trial["dataset"] = trial["dataset"] | {"root": str(data.expanduser().absolute())}
    if run["device"] == "cuda" and not torch.cuda.is_available():
        raise StudyError(f"{file}: it was trained on a GPU, and this machine has none that torch can use")
    torch.set_num_threads(run["threads"])
    if out is not None and not os.access(out if out.exists() else out.absolute().parent, os.W_OK):
        raise StudyError(f"{out}: cannot be written; choose another --out")
    if out is not None and out.exists() and any(out.iterdir()):
        raise StudyError(f"{out}: not empty; choose a new folder for --out, so that training begins at epoch 1")
    try:
        session = Session(exported["provenance"]["trial_key"], trial, Home.current().cache, out, run["device"])
    except ValueError as problem:
        raise StudyError(f"{file}: {problem}") from None
    metric = exported["validation"]["metric"]
    while not session.done:
        metrics = session.advance()
        if not as_json:
            console.print(
                f"epoch {session.epoch:>3}/{trial['training']['epochs']}  train loss {metrics['train_loss']:.4f}  "
                f"{metric} {metrics[metric]:.4f}  {metrics['seconds']:.2f} s"
            )
    session.save()
    epoch = min(expected["epoch"], session.epoch)
    score = session.history[epoch - 1][metric]
    equal = epoch == expected["epoch"] and score == expected["score"]
    laned = run.get("lanes", 1) > 1
    agrees = equal or (laned and math.isclose(score, expected["score"], rel_tol=LANED, abs_tol=LANED))
    if as_json:
        print_json(
            {
                "metric": metric,
                "epoch": epoch,
                "score": score,
                "exported_score": expected["score"],
                "equal": equal,
                "agrees": agrees,
            }
        )
    else:
        difference = f"the exported {expected['score']!r}, by {score - expected['score']:.2g}:"
        verdict = "equal to the exported score" if equal else f"{'about' if agrees else '[red]not[/]'} {difference}"
        console.print(f"{metric} {score!r} at epoch {epoch}: {verdict}")
        if not equal:
            console.print(
                f"It trained among {run['lanes']} lanes, whose sums are rounded otherwise than one's alone."
                if laned
                else "Other hardware, another version of torch or other numbers of threads change the last digits."
            )
        if out is not None:
            console.print(f"Weights: {out}")
    if not agrees:
        raise typer.Exit(1)
