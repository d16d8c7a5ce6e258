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
    """Delete a study: ledger, checkpoints, exports in its folder, and its own MLflow experiment.

    Example: study delete quickstart --yes
    """
    from study.ledger import Ledger, is_begun
    from study.lock import WriterLock
    from study.paths import Home
    from study.tracking import launched_tracking, tracking_uri
    from study.tracking.mlflow_removal import Removed, remove_study
    from study.tracking.mlflow_store import in_a_line
    from study.tracking.owner import Owner

    home = Home.current()
    paths = home.existing(name)
    if not yes:
        if as_json:
            raise StudyError(f"study '{name}' would be deleted for good; say --yes")
        typer.confirm(f"Delete {paths.root} with all its trials and checkpoints?", abort=True)
    removed = Removed(None)
    with WriterLock(paths.lock, "study delete"):
        if is_begun(paths.ledger) and not keep_mlflow:
            with Ledger(paths.ledger) as ledger:
                uri = tracking_uri(launched_tracking(ledger), home) if ledger.stores() else ""
                keys = {*ledger.trials(), *dict(ledger.cells(phase=None, all_scopes=True))}
                owner = Owner.of(name, ledger)
            try:
                removed = remove_study(uri, owner, keys, home.mlflow_artifacts) if uri else removed
            except Exception as problem:  # whatever a store can raise
                said = in_a_line(problem, uri)
                raise StudyError(f"MLflow: {said}; nothing was deleted; try again, or --keep-mlflow") from None
        shutil.rmtree(paths.root)
    whole = removed.experiment is not None and not removed.others
    if as_json:
        print_json({"study": name, "deleted": str(paths.root), "experiment_deleted": whole})
        return
    console.print(f"Deleted {paths.root}" + (" and its MLflow experiment" if whole else ""))
    if removed.others:
        console.print(
            f"MLflow's experiment '{removed.experiment}' stays, without the study's runs: {removed.others} others "
            "are in it that the study did not make"
        )
