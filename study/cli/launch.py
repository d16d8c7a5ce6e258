"""study launch"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from study.cli.output import (
    AsJson,
    DataRoot,
    Strictly,
    comparison_notes,
    comparison_tables,
    console,
    duration,
    exit_by,
    out_of_scope_note,
    print_copy_behind,
    print_failed,
    print_json,
    print_tracking_problem,
    print_unfinished,
    program,
    tracking_facts,
)
from study.cli.site import ClusterAddress, MaxConcurrent, StorageUri, send_exports, site_of, storage_for
from study.cli.submit import SendEnv, Submit, submit_launch
from study.results.numbers import counted

MIB = 2**20
MINUTE = 60.0  # seconds, from which no fraction of one is said


def launch(
    context: typer.Context,
    study: Annotated[str, typer.Argument(metavar="FILE", help="A study file, or the name of a preset.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the file; repeatable."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run and for how long; run nothing.")
    ] = False,
    data: DataRoot = None,
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="Run the same study small, in about a minute, to see that all of it works."),
    ] = False,
    strict: Strictly = False,
    max_hours: Annotated[
        float | None,
        typer.Option("--max-hours", metavar="H", min=0, help="Refuse where it would take longer than this."),
    ] = None,
    trim: Annotated[
        bool,
        typer.Option("--trim", help="With --max-hours: launch it anyway, and end it gently when they have passed."),
    ] = False,
    submit: Submit = None,
    send_env: SendEnv = None,
    address: ClusterAddress = None,
    max_concurrent: MaxConcurrent = None,
    storage: StorageUri = None,
    as_json: AsJson = False,
) -> None:
    """Run what is missing of a study; launching again resumes or extends it.

    Example: study launch quickstart --set training.epochs=5 --set name=short
    """
    from study.errors import PlacedStudyError, StudyError
    from study.planning.time_limit import HOUR_S, check_hours
    from study.records.paths import Home, find_study_file
    from study.spec.study_file import load_spec, with_its_line

    if trim and max_hours is None:
        raise StudyError("--trim needs to know when: say --max-hours H too")
    if max_hours is not None:
        check_hours(max_hours)
    if submit is not None:
        if dry_run:
            raise StudyError("--dry-run runs nothing, here or there; leave out --submit")
        submit_launch(context, study, submit, send_env or [], as_json)
        return
    spec, document = load_spec(find_study_file(study), overrides or [], data)
    home = Home.current()
    if smoke:
        spec = _shrink(spec, document, home, as_json)
    site, kept = site_of(address, max_concurrent), storage_for(storage, home.study(spec.name))
    try:
        if dry_run:
            _dry_run(spec, home, as_json, strict=strict, site=site, max_hours=max_hours, trim=trim)
        else:
            if max_hours is not None and not trim:
                _check_time(spec, home, max_hours, as_json, strict=strict, site=site)
            limit_s = max_hours * HOUR_S if max_hours is not None and trim else None
            _launch(spec, document, home, as_json, strict=strict, limit_s=limit_s, site=site, kept=kept)
    except PlacedStudyError as mistake:
        raise with_its_line(mistake, document) from None


def _shrink(spec: Any, document: Any, home: Any, as_json: bool) -> Any:
    from rich.console import Console

    from study.planning.smoke import shrink, try_full_networks

    small = shrink(spec, document, home)
    progress = Console(stderr=True) if as_json else console
    for dataset in small.dataset:
        if dataset.label.endswith("-synthetic"):
            progress.print(f"{dataset.name}: its files are not there; synthetic images in its format stand in")
    for line in try_full_networks(spec, small, home):
        progress.print(line)
    return small


def _check_time(spec: Any, home: Any, max_hours: float, as_json: bool, *, strict: bool, site: Any) -> None:
    from rich.console import Console

    from study.planning.pilot import foresee
    from study.planning.time_limit import check_fits

    _check_place(spec, home, site)
    forecast = foresee(spec, home, strict=strict, processes=site.processes(spec))
    if said := check_fits(spec.name, forecast, max_hours, duration):
        (Console(stderr=True) if as_json else console).print(said, style="yellow", markup=False)


def _check_place(spec: Any, home: Any, site: Any) -> None:
    """StudyError where a launch would be refused for where it runs, or for a password of its MLflow that is missing."""
    from study.tracking import tracking_uri

    site.check(spec)
    if spec.tracking.enabled:
        tracking_uri(spec.tracking, home)


def _launch(
    spec: Any,
    document: Any,
    home: Any,
    as_json: bool,
    *,
    strict: bool,
    limit_s: float | None,
    site: Any,
    kept: Any,
) -> None:
    from rich.console import Console

    from study.cli.progress import LaunchProgress
    from study.export import Exported, drop_stale, export_study
    from study.records.ledger import Ledger
    from study.results.selection import cell_results, comparison, out_of_scope
    from study.running.launch import launch as run

    progress = LaunchProgress(Console(stderr=True) if as_json else console)
    outcome = run(spec, document, home, progress, strict=strict, limit_s=limit_s, site=site, storage=kept)
    with Ledger(outcome.paths.ledger) as ledger:
        rows, outside = comparison(cell_results(ledger)), out_of_scope(ledger)
    exported = Exported([], [])
    if any(row["n"] for row in rows) and not outcome.interrupted:
        exported = export_study(outcome.paths, outcome.paths.best)
        drop_stale(outcome.paths)
    behind = send_exports(outcome)
    if as_json:
        print_json(
            {
                "study": spec.name,
                "ran": outcome.ran,
                "interrupted": outcome.interrupted,
                "timed_out": outcome.timed_out,
                "given_up": outcome.given_up,
                "metric": spec.select.monitor,
                "comparison": rows,
                "out_of_scope": outside,
                "exported": [str(path) for path in exported.files],
                "left_out": exported.left_out,
                "tracking": tracking_facts(outcome),
                "storage": {"uri": kept.uri if kept else None, "problem": behind},
            }
        )
    else:
        _print_outcome(spec, outcome, rows, outside, exported)
        if behind:
            print_copy_behind(behind, "launch")
    exit_by(outcome, rows)


def _print_outcome(spec: Any, outcome: Any, rows: list[dict[str, Any]], outside: int, exported: Any) -> None:
    if outcome.given_up:
        print_unfinished(spec.name, outcome.given_up)
        return
    if outcome.timed_out:
        console.print("The hours of --max-hours have passed: what was reported is saved; the same command goes on.")
    if not outcome.ran and not outcome.interrupted:
        console.print(f"Study '{spec.name}' is complete: nothing was missing, no trial was run.")
    console.print()
    for table in comparison_tables(rows, spec.select.monitor):
        console.print(table)
    for note in comparison_notes(rows):
        console.print(f"[dim]{note}[/]")
    if outside:
        console.print(out_of_scope_note(outside))
    print_failed(spec.name, "launch", rows)
    for sentence in exported.left_out:
        console.print(f"[yellow]not exported[/] {sentence}")
    if exported.files:
        console.print(f"\nBest configurations: {outcome.paths.best}")
        console.print(f"Judge the best configs on fresh repeats: {program()} confirm {spec.name}")
    if outcome.tracking_problem:
        print_tracking_problem(spec.name, outcome.tracking_problem)
    elif outcome.tracking_uri:
        where = f", experiment '{outcome.experiment}'" if outcome.experiment not in (None, spec.name) else ""
        console.print(f"Browse every run in MLflow: {program()} dashboard{where}")


def _dry_run(
    spec: Any, home: Any, as_json: bool, *, strict: bool, site: Any, max_hours: float | None = None, trim: bool = False
) -> None:
    from rich.table import Table

    from study.planning.pilot import foresee
    from study.planning.time_limit import foresee_limit

    _check_place(spec, home, site)
    if not as_json:
        console.print("[dim]Reading the data, and timing a few batches of each kind of trial that never ran.[/]")
    forecast = foresee(spec, home, strict=strict, processes=site.processes(spec))
    limit = foresee_limit(spec.name, forecast, max_hours, duration, trim=trim) if max_hours is not None else None
    if as_json:
        print_json(forecast.as_json() | ({"max_hours": limit.as_json()} if limit else {}))
        return
    table = Table("family", "task", "configs", "repeats", "trials")
    for cell in forecast.cells:
        table.add_row(*(str(cell[name]) for name in ("family", "task", "configs", "repeats", "trials")))
    console.print(table)
    for doubt in (*forecast.assumed, *forecast.doubts, *forecast.changes):
        console.print(doubt, style="yellow", markup=False)
    epochs = f"{counted(forecast.epochs, 'epoch')} each at most; " if forecast.epochs else ""
    console.print(
        f"{counted(len(forecast.cells), 'cell')}, {counted(forecast.trials, 'trial')} at most, "
        f"{forecast.missing} of them still to run, {epochs}{_at_a_time(forecast)}."
    )
    if forecast.budget is not None and forecast.epochs:
        whole = forecast.budget // forecast.epochs
        console.print(
            f"Screening the configs of a cell takes {counted(forecast.budget, 'epoch')} at most (search.epochs), "
            f"{counted(whole, 'whole training')}: more configs only where some end early."
        )
    for need in forecast.memory:
        console.print(_memory_text(need, forecast.lanes), highlight=False, markup=False)
    console.print(_time_text(forecast))
    if limit is not None:
        console.print(limit.said, style="yellow" if limit.refused else None, markup=False)


def _time_text(forecast: Any) -> str:
    """`About 5 min 20 s of training where none is stopped early (0.275 s an epoch, ...). No trial was run.`"""
    if forecast.seconds is None or forecast.seconds_per_epoch is None:
        return "How long they take cannot be said before the data is there. No trial was run."
    about, alone = "About", ""
    if forecast.alone:
        about, alone = "At most about", "; timed one lane at a time, which lanes together undercut"
    return (
        f"{about} {_estimate(forecast)} of training where none is stopped early "
        f"({_pace_text(forecast.seconds_per_epoch)} an epoch, {forecast.basis}{alone}). No trial was run."
    )


def _memory_text(need: Any, lanes: int) -> str:
    """`Memory: 12 MiB for a trial of mlp on digits, batches of 64 (ce, tce); 16 lanes fit in each process.`"""
    size = f"{max(1, round(need.bytes_per_trial / MIB)):,} MiB"
    said = f"Memory: {size} for a trial of {need.kind} ({', '.join(need.families)}), beside its process; "
    if need.lanes_that_fit == 0:
        return f"{said}it does not fit: give a process more of the machine, as with --set resources.cpus=2"
    if lanes == 1:
        return f"{said}it fits."
    if need.lanes_that_fit < lanes:
        return f"{said}{need.lanes_that_fit} of {lanes} lanes fit in each process, the others wait."
    return f"{said}{lanes} lanes fit in each process."


def _estimate(forecast: Any) -> str:
    """`1 h 10 min (50 min 00 s to 1 h 40 min)`; without the interval where that says no more."""
    said = duration(forecast.seconds)
    low, high = (duration(seconds) for seconds in (forecast.seconds_low, forecast.seconds_high))
    return said if forecast.alone or low == high else f"{said} ({low} to {high})"


def _pace_text(seconds: float) -> str:
    """`0.275 s`, `4 min 35 s`."""
    return f"{seconds:.3f} s" if seconds < MINUTE else duration(seconds)


def _at_a_time(forecast: Any) -> str:
    """`2 processes, up to 16 lanes each`."""
    processes = f"{forecast.processes} process{'es' if forecast.processes > 1 else ''}"
    if forecast.lanes > 1:
        return f"{processes}, up to {forecast.lanes} lanes (trials that train as one program) each"
    return f"{processes}, one trial each at a time"
