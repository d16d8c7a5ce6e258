"""The command `study`: one file per command, listed here.

Exit codes: 0 done; 1 done, but something failed (a trial, a check); 2 a mistake in what was asked, with one line that
says which and what to do; 130 interrupted by the user. Command modules import heavy libraries inside their functions,
so that `study --help` answers at once.
"""

from __future__ import annotations

import sqlite3
import sys

import typer
from typer import rich_utils
from typer._click.exceptions import UsageError  # typer exports only a child of it

from study.cli import (
    compare,
    confirm,
    dashboard,
    data,
    delete,
    doctor,
    evaluate,
    export,
    families,
    gc,
    launch,
    list_studies,
    logs,
    models,
    predict,
    presets,
    pull,
    report,
    schema,
    status,
    stop,
    sync,
    train,
)
from study.cli.output import report_error
from study.errors import StudyError
from study.redaction import hide_in_tracebacks

app = typer.Typer(
    name="study",
    help="Hyperparameter studies of classification losses.",
    epilog="Exit codes: 0 done, 1 something failed, 2 a mistake in what was asked, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("launch")(launch.launch)
app.command("status")(status.status)
app.command("stop")(stop.stop)
app.command("logs")(logs.logs)
app.command("pull")(pull.pull)
app.command("confirm")(confirm.confirm)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("list")(list_studies.list_studies)
app.command("export")(export.export)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("sync")(sync.sync)
app.command("dashboard")(dashboard.dashboard)
app.command("presets")(presets.presets)
app.command("families")(families.families)
app.command("models")(models.models)
app.add_typer(data.app, name="data")
app.command("schema")(schema.schema)
app.command("doctor")(doctor.doctor)
app.command("gc")(gc.gc)
app.command("delete")(delete.delete)


INTERRUPTED = "Interrupted: what was reported is saved; the same command goes on."
INTERRUPTED_DRY = "Interrupted: nothing was run."


def main() -> None:
    """Run the command line; mistakes of its user are one line, never a traceback."""
    as_json = "--json" in sys.argv
    hide_in_tracebacks()
    try:
        code = app(standalone_mode=False) or 0
        if code == 130:  # typer's word for KeyboardInterrupt
            print(INTERRUPTED_DRY if "--dry-run" in sys.argv else INTERRUPTED, file=sys.stderr)
        sys.exit(code)
    except StudyError as problem:
        report_error(str(problem), as_json=as_json, further=problem.further)
        sys.exit(2)
    except typer.Abort:
        report_error("not confirmed: nothing was done", as_json=as_json)
        sys.exit(2)
    except UsageError as problem:
        if as_json:
            report_error(problem.format_message(), as_json=True)
        else:
            rich_utils.rich_format_error(problem)
        sys.exit(2)
    except (OSError, sqlite3.OperationalError) as problem:
        if isinstance(problem, BrokenPipeError):
            sys.stderr.close()
            sys.exit(0)
        report_error(f"{problem}; make room or choose another place, then the same command goes on", as_json=as_json)
        sys.exit(2)
    except Exception:
        found = _damage()
        if found is None:
            raise
        report_error(found, as_json=as_json)
        sys.exit(2)


def _damage() -> str | None:
    """What is wrong with a ledger that the command may have read: of the studies that it names, or of all of them."""
    from study.records.damage import damage_of
    from study.records.paths import Home

    home = Home.current()
    names = [name for name in home.names() if name in sys.argv] or home.names()
    return next((said for name in names if (said := damage_of(home.study(name).ledger))), None)
