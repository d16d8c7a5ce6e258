"""study delete"""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from study.cli.output import AsJson, StudyName, console, print_json
from study.errors import StudyError


def delete(
    name: StudyName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    keep_mlflow: Annotated[bool, typer.Option("--keep-mlflow", help="Leave its runs in MLflow.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a study: ledger, checkpoints, exports in its folder, and its MLflow experiment.

    Example: study delete quickstart --yes
    """
    from study.ledger import Ledger, is_begun
    from study.lock import WriterLock
    from study.paths import Home
    from study.tracking import launched_tracking, tracking_uri

    home = Home.current()
    paths = home.existing(name)
    if not yes:
        if as_json:
            raise StudyError(f"study '{name}' would be deleted for good; say --yes")
        typer.confirm(f"Delete {paths.root} with all its trials and checkpoints?", abort=True)
    removed_experiment = False
    with WriterLock(paths.lock, "study delete"):
        uri = None
        if is_begun(paths.ledger):
            with Ledger(paths.ledger) as ledger:
                shown = bool(ledger.stores()) and not keep_mlflow
                uri = tracking_uri(launched_tracking(ledger), home) if shown else None
        if uri is not None:
            from study.tracking.mlflow_store import delete_experiment, in_a_line

            try:
                removed_experiment = delete_experiment(uri, name)
                shutil.rmtree(home.mlflow_artifacts / name, ignore_errors=True)
            except Exception as problem:  # whatever a store can raise
                said = in_a_line(problem, uri)
                raise StudyError(f"MLflow: {said}; nothing was deleted; try again, or --keep-mlflow") from None
        shutil.rmtree(paths.root)
    if as_json:
        print_json({"study": name, "deleted": str(paths.root), "experiment_deleted": removed_experiment})
    else:
        console.print(f"Deleted {paths.root}" + (" and its MLflow experiment" if removed_experiment else ""))
