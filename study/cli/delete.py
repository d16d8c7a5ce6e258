"""study delete"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from study.cli.output import AsJson, StudyName, console, print_json
from study.errors import StudyError

Answer = TypeVar("Answer")


def delete(
    name: StudyName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    keep_mlflow: Annotated[bool, typer.Option("--keep-mlflow", help="Leave its runs in MLflow.")] = False,
    with_mlflow: Annotated[
        bool, typer.Option("--with-mlflow", help="Delete its experiment though it was made in another home of studies.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a study: ledger, checkpoints, exports in its folder, and its own MLflow experiment.

    An experiment that was made in another home, as by the study of which this is a copy, needs --with-mlflow.

    Example: study delete quickstart --yes
    """
    from study.records.ledger import Ledger
    from study.records.ledger_file import is_begun
    from study.records.lock import WriterLock
    from study.records.paths import Home
    from study.storage.checkpoints import storage_of
    from study.tracking import launched_tracking, tracking_uri
    from study.tracking.mlflow_removal import Removed, removable, remove_study
    from study.tracking.owner import Owner

    home = Home.current()
    paths = home.existing(name)
    storage = storage_of(paths)
    uri, removed = "", Removed(None)
    with WriterLock(paths.lock, "study delete"):
        if is_begun(paths.ledger) and not keep_mlflow:
            with Ledger(paths.ledger) as ledger:
                uri = tracking_uri(launched_tracking(ledger), home) if ledger.stores() else ""
                keys = {*ledger.trials(), *dict(ledger.cells(phase=None, all_scopes=True))}
                owner = Owner.of(name, ledger)
        found = _asked(uri, lambda: removable(uri, owner, keys)) if uri else None
        shown = f"MLflow's experiment '{found.experiment}' with {found.runs} runs of it" if found else ""
        if found and not found.made_here and not with_mlflow:
            raise StudyError(
                f"study '{name}': {shown} was made in another home of studies than {home.root}, so this is a copy, or "
                "was moved; say --keep-mlflow to leave the experiment, or --with-mlflow to delete it too"
            )
        if not yes:
            also = f", and {shown}" if found else ""
            if as_json:
                raise StudyError(f"study '{name}'{also} would be deleted for good; say --yes")
            typer.confirm(f"Delete {paths.root} with all its trials and checkpoints{also}?", abort=True)
        if uri:
            removed = _asked(uri, lambda: remove_study(uri, owner, keys, home.mlflow_artifacts))
        shutil.rmtree(paths.root)
    whole = removed.experiment is not None and not removed.others
    if as_json:
        print_json(
            {
                "study": name,
                "deleted": str(paths.root),
                "experiment": found.experiment if found else None,
                "runs": found.runs if found else 0,
                "experiment_deleted": whole,
                "copy_left": storage.below(name).uri if storage else None,
            }
        )
        return
    console.print(f"Deleted {paths.root}" + (" and its MLflow experiment" if whole else ""))
    if storage:
        console.print(
            f"Its copy in {storage.below(name).uri} is left; delete that folder too if nobody goes on from it"
        )
    if removed.others:
        console.print(
            f"MLflow's experiment '{removed.experiment}' stays, without the study's runs: {removed.others} others "
            "are in it that the study did not make"
        )


def _asked(uri: str, ask: Callable[[], Answer]) -> Answer:
    """What MLflow says; StudyError where it does not, before anything was deleted."""
    from study.tracking.mlflow_store import in_a_line

    try:
        return ask()
    except Exception as problem:  # whatever a store can raise
        said = in_a_line(problem, uri)
        raise StudyError(f"MLflow: {said}; nothing was deleted; try again, or --keep-mlflow") from None
