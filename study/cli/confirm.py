"""study confirm"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from study.cli.output import (
    NO_SCORES,
    ONE_REPEAT,
    AsJson,
    Strictly,
    StudyName,
    comparison_tables,
    console,
    exit_by,
    print_copy_behind,
    print_failed,
    print_json,
    print_tracking_problem,
    print_unfinished,
    program,
    single_repeats,
    tracking_facts,
)
from study.cli.site import ClusterAddress, MaxConcurrent, StorageUri, site_of, storage_for
from study.cli.submit import SendEnv, Submit, submit_confirm
from study.results.statistics import SIGNIFICANCE

if TYPE_CHECKING:
    from study.records.ledger import Ledger
    from study.records.paths import StudyPaths
    from study.results.compare import Comparison


def confirm(
    context: typer.Context,
    name: StudyName,
    repeats: Annotated[
        int | None, typer.Option("--repeats", metavar="N", min=1, help="Fresh repeats of each config.")
    ] = None,
    top: Annotated[int | None, typer.Option("--top", metavar="K", min=1, help="Configs of each cell.")] = None,
    protocol: Annotated[
        Literal["retrain", "holdout"] | None,
        typer.Option("--protocol", help="Retrain on all training images, or keep the holdout to choose the epoch."),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Confirm what there is, though trials of the search are missing.")
    ] = False,
    oracle: Annotated[
        bool,
        typer.Option(
            "--oracle",
            help="Ask the test set about the search's checkpoints too, for the report's selection gap; nothing is "
            "chosen by it.",
        ),
    ] = False,
    strict: Strictly = False,
    submit: Submit = None,
    send_env: SendEnv = None,
    address: ClusterAddress = None,
    max_concurrent: MaxConcurrent = None,
    storage: StorageUri = None,
    as_json: AsJson = False,
) -> None:
    """Judge the best configs on fresh repeats by the test set, which had no say in choosing them.

    Without options as it was confirmed last, at first as the study file's section `confirm` says. Example: study
    confirm quickstart --repeats 5
    """
    from rich.console import Console

    from study.cli.progress import LaunchProgress
    from study.records.ledger import CONFIRM, Ledger
    from study.records.paths import Home
    from study.results.selection import cell_results, comparison
    from study.running.confirm_settings import last_settings, settings_said
    from study.running.launch import confirm as run
    from study.spec import ConfirmSpec
    from study.spec.study_file import load_launched

    if submit is not None:
        submit_confirm(context, name, submit, send_env or [], as_json)
        return
    home = Home.current()
    paths = home.existing(name)
    spec = load_launched(paths)
    options = {"repeats": repeats, "top": top, "protocol": protocol}
    given = {key: value for key, value in options.items() if value is not None}
    with Ledger(paths.ledger) as ledger:
        last, before = last_settings(spec.confirm, ledger), _asked_for(ledger)
    asked = ConfirmSpec.model_validate(last.model_dump() | given)
    progress = LaunchProgress(Console(stderr=True) if as_json else console)
    if said := settings_said(asked, spec.confirm, given):
        progress.stage(said)
    site, kept = site_of(address, max_concurrent), storage_for(storage, paths)
    how = {"partial": partial, "oracle": oracle, "strict": strict}
    outcome = run(spec, home, progress, asked=asked, site=site, storage=kept, **how)
    with Ledger(paths.ledger) as ledger:
        rows = comparison(cell_results(ledger, phase=CONFIRM))
        fallen = len(before - _asked_for(ledger))
    metric = spec.select.test_metric
    if as_json:
        facts: dict[str, Any] = {
            "study": name,
            "confirm": asked.model_dump(),
            "ran": outcome.ran,
            "interrupted": outcome.interrupted,
            "given_up": outcome.given_up,
            "left_out": list(outcome.left_out),
            "notes": list(outcome.notes),
            "fell_out_of_scope": fallen,
            "metric": metric,
            "comparison": rows,
            "tracking": tracking_facts(outcome),
            "storage": {"uri": kept.uri if kept else None, "problem": outcome.storage_problem},
        }
        print_json(facts)
    elif outcome.given_up:
        print_unfinished(name, outcome.given_up)
    else:
        if not outcome.ran and not outcome.interrupted:
            console.print(f"The confirmation of '{name}' is complete: nothing was missing, no trial was run.")
        console.print()
        for table in comparison_tables(rows, metric):
            console.print(table)
        spread = ONE_REPEAT if single_repeats(row["n"] for row in rows) else SPREAD
        note = f"{NOTES[asked.protocol]} {spread}"
        console.print(f"[dim]{note if any(row['n'] for row in rows) else NO_SCORES}[/]")
        print_failed(name, "confirm", rows)
        for sentence in outcome.left_out:
            console.print(f"[yellow]left out[/] {sentence}")
        for sentence in outcome.notes:
            console.print(f"[yellow]note[/] {sentence}")
        if fallen:
            trials = "1 trial" if fallen == 1 else f"{fallen} trials"
            console.print(f"[yellow]note[/] {trials} of before are no longer asked for: kept, and in no table.")
        if outcome.tracking_problem:
            print_tracking_problem(name, outcome.tracking_problem)
        if outcome.storage_problem:
            print_copy_behind(outcome.storage_problem, "confirm")
        if any(row["n"] for row in rows) and not outcome.interrupted:
            console.print(f"Next: {program()} compare {name}, {program()} report {name}{_with_more(paths, name)}")
    exit_by(outcome, rows)


def _asked_for(ledger: Ledger) -> set[str]:
    """The trials of the confirmation that ran, as far as it asks for them."""
    from study.records.ledger import CONFIRM
    from study.results.selection import cell_results

    return {trial.key for cell in cell_results(ledger, phase=CONFIRM) for trial in cell.trials if trial.epoch}


def _with_more(paths: StudyPaths, name: str) -> str:
    """How many of the differences that were not told twice as many repeats would tell, where that can be said."""
    from study.errors import StudyError
    from study.records.ledger import CONFIRM, Ledger
    from study.results.compare import compare

    try:
        with Ledger(paths.ledger) as ledger:
            compared = compare([(name, ledger)], phase=CONFIRM)
    except StudyError:  # which 'study compare' says
        return ""
    return more_repeats(compared)


def more_repeats(compared: Comparison) -> str:
    """`; with --repeats 10, 6 of 20 differences of this size would be told`; empty where none can be foretold."""
    rows = [row for found in compared.tasks.values() for row in found if row.p is not None and row.p >= SIGNIFICANCE]
    told = [row for row in rows if row.test is not None and row.test.effect is not None]
    if not told:
        return ""
    repeats = 2 * max(row.test.n for row in told if row.test is not None)
    enough = sum(row.repeats_needed is not None and row.repeats_needed <= repeats for row in told)
    return f"; with --repeats {repeats}, {enough} of {len(rows)} differences of this size would be told"


SPREAD = "Mean ± sd over repeats that no selection has seen."
NOTES = {
    "retrain": "Trained on training and validation images up to the epoch that the search chose, then tested.",
    "holdout": "Trained on the training images; the best validation epoch was tested.",
}
