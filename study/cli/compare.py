"""study compare"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from study.cli.output import ONE_REPEAT, AsJson, console, duration, print_json, program, single_repeats
from study.results import format_score

if TYPE_CHECKING:
    from study.compare import Comparison, Row


def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="One study, or several.")],
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="FAMILY", help="What the others are tested against; default ce.")
    ] = None,
    phase: Annotated[
        Literal["search", "confirm"] | None,
        typer.Option("--phase", help="Default: the confirmation where there is one, else the search."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare families: intervals, paired tests against a baseline with Holm's correction, ranks over tasks.

    Example: study compare quickstart --baseline ce
    """
    from study.compare import compare as run
    from study.ledger import Ledger
    from study.paths import Home

    home = Home.current()
    with ExitStack() as stack:
        ledgers = [(name, stack.enter_context(Ledger(home.existing(name).ledger))) for name in dict.fromkeys(names)]
        comparison = run(ledgers, baseline=baseline, phase=phase)
    if as_json:
        print_json(comparison.as_json())
        return
    for task, rows in comparison.tasks.items():
        console.print(_table(task, rows, comparison))
    if comparison.critical_difference is not None:
        ordered = sorted(comparison.ranks.items(), key=lambda item: item[1])
        console.print("Mean ranks over tasks: " + ", ".join(f"{family} {rank:.2f}" for family, rank in ordered))
        console.print(f"Ranks that differ by less than {comparison.critical_difference:.2f} are not distinguishable.")
    console.print(f"[dim]{NOTES[comparison.phase]}[/]")
    if single_repeats(len(row.entry.scores) for rows in comparison.tasks.values() for row in rows):
        console.print(f"[dim]{ONE_REPEAT}[/]")
    else:
        console.print(f"[dim]{PAIRED}[/]")
    if comparison.phase == "search":
        console.print(f"Judge the best configs on fresh repeats: {program()} confirm {names[0]}")


NOTES = {
    "confirm": "Scores on the test set, over repeats that no selection has seen.",
    "search": "Scores on validation images, on which the configs were chosen: they flatter a family the more the more "
    "configs it had.",
}
PAIRED = (
    "Differences are of the same repeats (the same split, noise, weights and order); p by the paired t-test, with "
    "Holm's correction for all tests here; d is the mean difference in units of its standard deviation."
)


def _table(task: str, rows: list[Row], comparison: Comparison) -> Table:
    table = Table(title=f"{comparison.metric} · {task}", title_justify="left")
    table.add_column("family", overflow="fold")
    table.add_column("mean ± sd, 95 % interval", no_wrap=True)
    table.add_column("difference", no_wrap=True)
    table.add_column("verdict", min_width=len("not distinguishable"))
    for row in rows:
        table.add_row(row.entry.family, _scores(row), _difference(row), _verdict(row, comparison))
    return table


def _scores(row: Row) -> str:
    scored = format_score(row.entry.mean, row.entry.sd, len(row.entry.scores))
    return f"{scored}\n  {row.interval[0]:.4f} to {row.interval[1]:.4f}" if row.interval else scored


def _difference(row: Row) -> str:
    if row.test is None or row.p is None:
        return ""
    effect = f", d {row.test.effect:+.1f}" if row.test.effect is not None else ""
    return f"{row.test.mean:+.4f}\n  p {row.p:.2g}{effect}"


def _verdict(row: Row, comparison: Comparison) -> str:
    said = row.verdict(comparison.baseline, comparison.more_is_better)
    if row.entry.divergence_rate:
        said += f"; {row.entry.divergence_rate:.0%} of its trials diverged"
    return f"{said}\n[dim]{row.entry.epochs} epochs, {duration(row.entry.seconds)}[/]"
