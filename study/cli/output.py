"""What the commands print: tables for people, JSON for programs, one line for mistakes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from study.redaction import hidden
from study.results.numbers import counted, format_score
from study.results.selection import differing_labels
from study.tracking.words import setting_text

if TYPE_CHECKING:
    from study.running.launch import Outcome

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Where data sets' files lie; the root of those that name none."),
]
Strictly = Annotated[
    bool,
    typer.Option("--strict", help="Refuse where code or versions have changed since the study's trials ran."),
]
HeadUrl = Annotated[
    str | None,
    typer.Option("--address", metavar="URL", help="Ask a cluster: its head's dashboard, as in http://head:8265."),
]
StudyName = Annotated[str, typer.Argument(metavar="NAME", help="The study's name; 'study list' shows them.")]

SETTINGS_WIDTH = 25

WIDTH_OF_A_FILE = 120  # columns, where output goes to a file or another program

console = Console(
    highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH_OF_A_FILE
)


def program() -> str:
    """How this command is called from here: its name, or its path where the shell would not find it."""
    if shutil.which("study"):
        return "study"
    path = os.path.relpath(sys.argv[0])
    return path if len(path) < len(sys.argv[0]) else sys.argv[0]


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, default=str))


def report_error(message: str, *, as_json: bool, further: Sequence[str] = ()) -> None:
    """A mistake, without passwords: JSON on standard output where that was asked for, else a line on standard error.

    `further` mistakes that were found with it have a line each.
    """
    message = hidden(message)
    if as_json:
        print_json({"error": message, **({"further": list(further)} if further else {})})
    else:
        print("\n  ".join([f"error: {message}", *further]), file=sys.stderr)


def print_unfinished(study: str, reason: str) -> None:
    """Why a launch was given up, and what to do."""
    again = f"what was reported is saved, the same command goes on; '{program()} status {study}' says more"
    console.print(f"[red]Given up[/]: {reason}; {again}")


def print_failed(study: str, again: str, rows: list[dict[str, Any]]) -> None:
    """How many trials of a comparison failed, if any did; `again` is the command that retries them."""
    if failed := _num_failed(rows):
        console.print(
            f"[red]{counted(failed, 'trial')} failed[/]: '{program()} status {study}' says why; {again} again to retry."
        )


def print_tracking_problem(study: str, problem: str) -> None:
    """That MLflow is behind the ledger, and what to do."""
    console.print(f"[yellow]{problem}[/]; bring it level with: {program()} sync {study}")


def print_copy_behind(problem: str, again: str) -> None:
    """That the copy in a study's storage is behind it; `again` is the command that brings it level."""
    console.print(f"[yellow]The copy is behind[/] {problem}; {again} again to bring it level")


def tracking_facts(outcome: Outcome) -> dict[str, str | None]:
    """Where a phase was shown, as plain values."""
    return {"uri": outcome.tracking_uri, "experiment": outcome.experiment, "problem": outcome.tracking_problem}


def exit_by(outcome: Outcome, rows: list[dict[str, Any]]) -> None:
    """Leave with the exit code of a phase that was interrupted, given up, or has failed trials in its comparison."""
    if outcome.interrupted:
        raise typer.Exit(130)
    if outcome.given_up or _num_failed(rows):
        raise typer.Exit(1)


def _num_failed(rows: list[dict[str, Any]]) -> int:
    return sum(row["states"].get("failed", 0) for row in rows)


def comparison_tables(rows: list[dict[str, Any]], metric: str) -> list[Table]:
    """Families down, noise across, one table for each data set and network; none where nothing has a score.

    Where labels are noisy, accuracy against the true ones stands behind the score: it says what the score hides.
    """
    tables = []
    scored = any(row["n"] for row in rows)
    for dataset, model in dict.fromkeys((row["dataset"], row["model"]) for row in rows if scored):
        here = [row for row in rows if (row["dataset"], row["model"]) == (dataset, model)]
        noises = list(dict.fromkeys(row["noise"] for row in here))
        title = f"{metric} of each family's best config · {dataset}, {model}"
        table = Table(title=title, title_justify="left")
        for heading in ("family", *noises):
            table.add_column(heading, no_wrap=True)
        for family in dict.fromkeys(row["family"] for row in here):
            cells = {row["noise"]: row for row in here if row["family"] == family}
            table.add_row(family, *(_score(cells.get(noise)) for noise in noises))
        tables.append(table)
    return tables


def _score(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    lines = [format_score(row["mean"], row["sd"], row["n"])]
    if row["noise_rate"] and row["val_accuracy_clean"] is not None:
        lines.append(f"true labels {row['val_accuracy_clean']:.4f}")
    if settings := settings_text(row):
        lines += textwrap.wrap(settings, SETTINGS_WIDTH)
    return "\n  ".join(lines)


def settings_text(row: dict[str, Any]) -> str:
    """What was searched, at the best config: `alpha 1.5, lr 0.05`."""
    found = {key.rpartition(".")[2]: value for key, value in (row["params"] or {}).items()}
    texts = {key: setting_text(found[key]) for key in row["searched"] if key in found}
    return ", ".join(f"{key} {v:.3g}" if isinstance(v, float) else f"{key} {v}" for key, v in texts.items())


NO_SCORES = "No trial is completed: there are no scores to show."
NOTES = (
    "Mean ± sd over repeats of the config with the best mean, and that config. It was chosen on these very numbers, "
    "which flatter a family the more the more configs it had. Repeats are paired, so the sds do not say whether two "
    "families differ: 'study compare' does.",
    "Noisy scores are against labels as corrupted as the training labels, which no classifier can match; 'true labels' "
    "is what a user would not know.",
)


ONE_REPEAT = "One repeat each: no spread can be given, and a difference may be luck."


def comparison_notes(rows: list[dict[str, Any]]) -> list[str]:
    """What one must know to read the tables, or why there are none."""
    if not any(row["n"] for row in rows):
        return [NO_SCORES]
    notes = list(NOTES[: 2 if any(row["noise_rate"] for row in rows) else 1])
    if single_repeats(row["n"] for row in rows):
        notes.insert(0, ONE_REPEAT)
    return notes + [
        f"{task}: the families were trained on different noisy labels, so their scores do not compare; "
        "the data or the code has changed between launches."
        for task in differing_labels(rows)
    ]


def single_repeats(counts: Iterable[int]) -> bool:
    """Whether nothing in a table was repeated, so that no spread is known."""
    return max(counts, default=0) == 1


def out_of_scope_note(trials: int) -> str:
    """What became of trials that the study file no longer asks for."""
    outside = counted(trials, "trial is", "trials are")
    return f"{outside} out of scope of the study file as last launched: kept, and left out of the tables."


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 05 min`, `1,200 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 360_000:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 3600:,} h"
